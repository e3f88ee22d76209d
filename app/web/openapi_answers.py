"""The answers of the OpenAPI document: their statuses, media types, problems, and the header fields that programs need.

All of it follows from an Action's row, and from what every answer has.
"""

from __future__ import annotations

import typing
from collections.abc import Iterable
from types import UnionType
from typing import Any

from app.web.action import Action, Mount
from app.web.ask import AfterCommit, FromStore
from app.web.bodies import YAML
from app.web.streams import ByteStream, EventStream, Text

PROBLEM = {
    "type": "object",
    "description": "RFC 9457.",
    "required": ["type", "title", "status", "detail", "errors"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "request_id": {"type": "string"},
        "error": {"type": "string", "description": "OAuth's error code (RFC 6749, RFC 8628), where one is defined."},
        "error_description": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["field", "message"],
                "properties": {"field": {"type": "string"}, "message": {"type": "string"}},
            },
        },
    },
}
MEANINGS = {
    400: "The request can't be read, its cursor is wrong, or its Host is not this server's.",
    401: "No credential, or a dead one.",
    403: "The scope, the role or the ownership is missing.",
    404: "It is not here, or not to be seen.",
    405: "The path has other methods; `Allow` says which.",
    408: "The body took too long to come.",
    409: "It contradicts what is there.",
    410: "It was here, and was removed as old things are.",
    413: "The body is too large.",
    415: "The content type is not one of these.",
    422: "Some fields can't be accepted.",
    429: "Too many of these; `Retry-After` says in how many seconds again.",
    500: "The server failed; its log has the details under `request_id`.",
    503: "The database, the store or a peer that this needs does not answer, or as much as can be is going on already.",
}
HEADERS = {
    "X-Request-Id": "What this request is called in the server's log.",
    "Location": "Where it is.",
    "Retry-After": "In how many seconds to try again.",
    "RateLimit": 'What is left, and for how many seconds: `"writes";r=59999;t=60`.',
    "RateLimit-Policy": 'How many in how many seconds: `"writes";q=60000;w=60`.',
    "Idempotency-Replayed": "`true` where this Idempotency-Key was used before, and made what is answered.",
    "WWW-Authenticate": "`Bearer`.",
    "Allow": "The methods that there are.",
}
SENT_WITH = {
    201: ("Location",),
    303: ("Location",),
    401: ("WWW-Authenticate",),
    405: ("Allow",),
    429: ("Retry-After",),
    503: ("Retry-After",),
}
NOWHERE = {"UnknownHost": 400, "NoSuchPath": 404, "NoSuchMethod": 405}


def components() -> dict[str, Any]:
    """What all answers share, and those to what is none of the document's operations."""
    shared = {"headers": {name: _header(about) for name, about in HEADERS.items()}, "schemas": {"Problem": PROBLEM}}
    nowhere = {
        name: _problem(status, _shared("X-Request-Id", *SENT_WITH.get(status, ()))) for name, status in NOWHERE.items()
    }
    return {**shared, "responses": nowhere}


def responses(row: Action, schema: Any) -> dict[str, Any]:
    """Every answer of an operation, by status; `schema` is that of its JSON."""
    return {**_success(row, schema), **_problems(row)}


def answer_types(row: Action) -> set[Any]:
    """What the handler's value may be; of one that is made later, what it will be."""
    return set(_made(typing.get_type_hints(row.handler).get("return")))


def _made(told: Any) -> Iterable[Any]:
    if typing.get_origin(told) in {UnionType, AfterCommit, FromStore}:
        for part in typing.get_args(told):
            yield from _made(part)
    else:
        yield told


def _success(row: Action, schema: Any) -> dict[str, Any]:
    if row.mount is Mount.API_ONLY_PATH:
        return {"303": {"description": "Go there.", "headers": _headers(row, 303)}}
    success: dict[str, Any] = {"description": "Done.", "headers": _headers(row, row.status)}
    if row.status != 204:
        success["content"] = _content(row, schema)
    return {str(row.status): success}


def _content(row: Action, schema: Any) -> dict[str, Any]:
    kinds = answer_types(row)
    content: dict[str, Any] = {}
    if Text in kinds:
        media = row.media or "text/plain"
        content[media] = {"schema": {"type": "object" if media == YAML else "string"}}  # a schema is of what is read
    if ByteStream in kinds:
        content.update((media, {"schema": {"type": "string"}}) for media in (row.media or "").split(", "))
    if EventStream in kinds:
        content["text/event-stream"] = {"schema": {}}  # some readers take it for text, others for events
    return content or {"application/json": {"schema": schema}}


def _problems(row: Action) -> dict[str, Any]:
    statuses = {400, 401, 429, 500, 503, *row.also}  # a key in the address, or a dead one, is refused everywhere
    if row.writes:
        statuses |= {403, 408, 409, 413}  # a body that nobody asked for is refused too where it is too large
    if row.role is not None:
        statuses |= {403}
    if row.thing is not None:
        statuses |= {404}
    if row.body is not None:
        statuses |= {415, 422}
    if row.query is not None or row.status == 201:
        statuses |= {422}
    return {str(status): _problem(status, _headers(row, status)) for status in sorted(statuses)}


def _problem(status: int, headers: dict[str, Any]) -> dict[str, Any]:
    content = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {"description": MEANINGS[status], "headers": headers, "content": content}


def _headers(row: Action, status: int) -> dict[str, Any]:
    """The fields that an answer of this status may have. Tries with dead keys are counted everywhere."""
    names = ["X-Request-Id", *SENT_WITH.get(status, ())]
    if row.counts_as is not None or status in {401, 429}:
        names += ["RateLimit", "RateLimit-Policy"]
    if status == 201 and row.method == "POST":
        names += ["Idempotency-Replayed"]
    own = row.sends if status == row.status else {}
    return {**_shared(*names), **{name: _header(about) for name, about in own.items()}}


def _shared(*names: str) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _header(about: str) -> dict[str, Any]:
    return {"description": about, "schema": {"type": "string"}}

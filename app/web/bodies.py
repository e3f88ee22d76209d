"""Request bodies: read within their limit, then made into the Action's model, whichever way they were written.

A form post, a JSON post and a YAML post build the same model; their mistakes are the same `Invalid`.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from pydantic import BaseModel, ValidationError
from starlette.requests import ClientDisconnect, Request

from app.web.action import Action
from app.web.forms import FORM_TYPES, URLENCODED, FormFields, parse_form
from app.web.problems import BadRequest, FieldError, Invalid, TooLarge, TooSlow, UnsupportedMedia

YAML = "application/yaml"  # RFC 9512
BODY_SECONDS = 60.0  # for the whole of a body; the server's HTTP bounds the silence between its pieces


@dataclass(frozen=True, slots=True)
class Received:
    """A body as it came. `too_large`: it was not read to its end."""

    content_type: str
    data: bytes
    too_large: bool = False
    limit: int = 0

    @property
    def is_form(self) -> bool:
        return self.content_type in FORM_TYPES


async def receive_body(request: Request, limit: int) -> Received:
    """Read at most `limit` bytes; their refusal waits, so that who may not write learns that first.

    Raises BadRequest for a body that breaks off, TooSlow for one that takes too long.
    """
    content_type = request.headers.get("content-type", "")
    media = content_type.partition(";")[0].strip().lower()
    length = request.headers.get("content-length", "")
    if length.isdecimal() and int(length[:20]) > limit:
        return Received(media, b"", too_large=True, limit=limit)
    chunks: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for chunk in request.stream():
                size += len(chunk)
                if size > limit:
                    return Received(media, b"", too_large=True, limit=limit)
                chunks.append(chunk)
    except ClientDisconnect:
        raise BadRequest("The request ended before its body was complete.") from None
    except TimeoutError:
        told = f"The body took longer than {BODY_SECONDS:g} seconds to come."
        raise TooSlow(told, headers={"Connection": "close"}) from None
    return Received(media, b"".join(chunks), limit=limit)


def read_form(received: Received, raw_type: str) -> FormFields:
    if received.too_large:
        return FormFields({})
    return parse_form(received.data, raw_type)


def check_media(action: Action, received: Received, *, html: bool) -> None:
    """415, then 413. An Action without a body model ignores what was sent."""
    known = set(FORM_TYPES) if html else _known_types(action)
    nothing_typed = (html or not action.body_required) and not received.data and not received.content_type
    if action.body is not None and received.content_type not in known and not nothing_typed:
        names = " or ".join(sorted(known))
        given = received.content_type[:80] or "none"
        raise UnsupportedMedia(f"Send the body as {names}; the Content-Type given is {given}.")
    if received.too_large:
        raise TooLarge(f"The body is larger than {received.limit:,} bytes.")


def _known_types(action: Action) -> set[str]:
    return {"application/json", *([YAML] * bool(action.yaml)), *([URLENCODED] * action.forms)}


def build_body(action: Action, received: Received, form: FormFields | None) -> BaseModel | None:
    """The Action's body model; raises BadRequest (400) or Invalid (422)."""
    if action.body is None:
        return None
    if form is not None:
        reshape = getattr(action.body, "from_form", None)
        values: Any = reshape(form.nested()) if reshape else form.nested()
    elif action.forms and received.content_type == URLENCODED:
        values = parse_form(received.data, URLENCODED).nested()
    elif not action.body_required and not received.data:
        values = {}
    elif action.yaml is not None and received.content_type == YAML:
        values = action.yaml(received.data)
    else:
        values = _json(received.data)
    return validated(action.body, values)


def _json(data: bytes) -> Any:
    try:
        values = orjson.loads(data)
    except orjson.JSONDecodeError as wrong:
        if not _has_half_a_pair(data):
            raise BadRequest(f"The body is not JSON: {wrong}.") from None
        raise Invalid("Text in the body holds half of a surrogate pair: it is not valid Unicode.") from None
    if not isinstance(values, dict):
        raise Invalid.field("", "Send a JSON object.")
    try:
        json.loads(data, object_pairs_hook=_each_once, parse_int=str, parse_float=str)
    except RecursionError:
        raise BadRequest("The body nests too deep.") from None
    return values


def _each_once(pairs: list[tuple[str, Any]]) -> None:
    """RFC 8259 leaves it open which of two is meant, so neither is taken."""
    names = {name for name, _ in pairs}
    if len(names) < len(pairs):
        twice = next(name for at, (name, _) in enumerate(pairs) if name in dict(pairs[:at]))
        raise Invalid.field(twice[:100], "This stands twice; keep one.")


def _has_half_a_pair(data: bytes) -> bool:
    """Whether half of a surrogate pair keeps it from being JSON: the standard library's reader lets that pass."""
    if b"\\ud" not in data.lower():
        return False
    try:
        json.loads(data, parse_constant=_no_number)
    except (ValueError, RecursionError):
        return False
    return True


def _no_number(text: str) -> None:
    raise ValueError(text)


def validated(model: type[BaseModel], values: Mapping[str, Any]) -> BaseModel:
    """Build the model or raise Invalid with one entry a wrong field."""
    try:
        return model.model_validate(values)
    except ValidationError as wrong:
        errors = [FieldError(_path(e["loc"]), _message(dict(e))) for e in wrong.errors(include_url=False)[:50]]
        raise Invalid(_summary(errors), errors=_unique(errors)) from None


def _path(loc: tuple[int | str, ...]) -> str:
    return ".".join(str(p) for p in loc if not (isinstance(p, str) and p.startswith(("function-", "tagged-"))))


def _message(error: Mapping[str, Any]) -> str:
    """A sentence for whoever filled the field in; validators of our own have written theirs."""
    kind, more = error["type"], error.get("ctx", {})
    if kind == "string_too_short" and more["min_length"] == 1:
        return "Write something here."
    if kind in SENTENCES:
        return SENTENCES[kind].format_map(more)
    message = str(error["msg"]).removeprefix("Value error, ").removeprefix("Assertion failed, ")
    return message[:1].upper() + message[1:] + ("" if message.endswith((".", "?", ")")) else ".")


A_NUMBER, A_WHOLE, A_TRUTH = "Give a number.", "Give a whole number.", "Give true or false."
A_TIME = "Give a time such as 2026-01-31T12:00:00Z."
SENTENCES: Mapping[str, str] = {  # by pydantic's types of errors
    "missing": "This field is needed.",
    "extra_forbidden": "There is no such field.",
    "string_type": "Give text.",
    "string_too_short": "Write at least {min_length:,} characters.",
    "string_too_long": "Write at most {max_length:,} characters.",
    "int_type": A_WHOLE,
    "int_parsing": A_WHOLE,
    "int_parsing_size": A_WHOLE,
    "int_from_float": A_WHOLE,
    "float_type": A_NUMBER,
    "float_parsing": A_NUMBER,
    "finite_number": A_NUMBER,
    "greater_than_equal": "Give {ge:,} or more.",
    "greater_than": "Give more than {gt:,}.",
    "less_than_equal": "Give at most {le:,}.",
    "less_than": "Give less than {lt:,}.",
    "bool_type": A_TRUTH,
    "bool_parsing": A_TRUTH,
    "enum": "Give {expected}.",
    "literal_error": "Give {expected}.",
    "list_type": "Give a list.",
    "dict_type": "Give a map of fields.",
    "model_type": "Give a map of fields.",
    "model_attributes_type": "Give a map of fields.",
    "too_short": "Give at least {min_length:,}.",
    "too_long": "Give at most {max_length:,}.",
    "datetime_type": A_TIME,
    "datetime_parsing": A_TIME,
    "datetime_from_date_parsing": A_TIME,
}


def _unique(errors: list[FieldError]) -> list[FieldError]:
    return list(dict.fromkeys(errors))


def _summary(errors: list[FieldError]) -> str:
    first = errors[0]
    return f"{first.field}: {first.message}" if first.field else first.message

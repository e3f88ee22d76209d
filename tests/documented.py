"""Holds the answers of the API against its OpenAPI document: status, media type, body, header fields; and what it took.

Every client of the fixtures does this with each answer, so that what any test sees of the API is also named by it.
"""

from __future__ import annotations

import copy
import json
import re
from functools import cache
from typing import Any
from urllib.parse import quote

import httpx2
from jsonschema_rs import Draft202012Validator, Registry
from starlette.testclient import TestClient

from app.main import ACTIONS
from app.web import openapi
from app.web.answer import API

ITSELF = f"{API}/openapi.json"
NOWHERE = ("components", "responses")
Where = tuple[str, ...]  # the way to a place in the document


def documented(client: TestClient) -> TestClient:
    """The client, which from now on fails at an answer that the document does not have."""
    client.event_hooks = {"response": [hold]}
    return client


def hold(answer: httpx2.Response) -> None:
    """Raise AssertionError unless the document has this answer."""
    path, method = answer.request.url.path, answer.request.method
    if not path.startswith(f"{API}/") or path == ITSELF:
        return
    told = f"{method} {path}: {answer.status_code}"
    table = _answers(path, "get" if method == "HEAD" else method.lower())
    assert str(answer.status_code) in table, f"{told} is not in the document; {', '.join(table)} are"
    where = table[str(answer.status_code)]
    _hold_headers(answer, where, told)
    _hold_body(answer, where, told)
    if answer.is_success:
        _hold_request(answer.request, where[:-2], told)


def _hold_headers(answer: httpx2.Response, where: Where, told: str) -> None:
    named = {name.lower() for name in _at(where)["headers"]}
    sent = {name.lower() for name in answer.headers}
    own = {name for name in sent if name in _header_names() or name.startswith("lattice-")}
    assert own <= named, f"{told} has {', '.join(own - named)}, which the document does not name there"


def _hold_body(answer: httpx2.Response, where: Where, told: str) -> None:
    content = _at(where).get("content", {})
    media = answer.headers.get("content-type", "").partition(";")[0]
    if not content:
        assert not media, f"{told} is {media!r}, but the document has no body there"
        return
    assert media in content, f"{told} is {media!r}, but the document has {', '.join(content)}"
    if media.endswith("json") and answer.read():
        wrong = _mistakes((*where, "content", media, "schema"), answer.json(), "strict")
        assert not wrong, f"{told} is not as the document says:\n{wrong}"


def _hold_request(request: httpx2.Request, where: Where, told: str) -> None:
    """What was taken is what the document says can be sent."""
    content = _at(where).get("requestBody", {}).get("content", {})
    media = request.headers.get("content-type", "").partition(";")[0]
    if media == "application/json" and media in content and request.content:
        wrong = _mistakes((*where, "requestBody", "content", media, "schema"), json.loads(request.content), "document")
        assert not wrong, f"{told}, but what was sent is not as the document says:\n{wrong}"


@cache
def _document() -> dict[str, Any]:
    return openapi.document(ACTIONS, "http://localhost")


@cache
def _paths() -> list[tuple[re.Pattern[str], str]]:
    """Fixed paths before `{id}`, as the routes stand."""
    paths = sorted(_document()["paths"], key=lambda path: path.count("{"))
    return [(re.compile(re.sub(r"{\w+}", "[^/]+", path)), path) for path in paths]


@cache
def _registry() -> Registry:
    """The document, and a strict one in which an object has no property that its schema does not name."""
    strict = copy.deepcopy(_document())
    for schema in strict["components"]["schemas"].values():
        if "properties" in schema:
            schema.setdefault("additionalProperties", False)
    return Registry([("urn:document", _document()), ("urn:strict", strict)])


@cache
def _header_names() -> frozenset[str]:
    return frozenset(name.lower() for name in _document()["components"]["headers"])


def _answers(path: str, method: str) -> dict[str, Where]:
    """Where in the document the operation's answers stand, by status; those of nothing where there is none."""
    found = next((template for pattern, template in _paths() if pattern.fullmatch(path)), None)
    if found is None or method not in _at(("paths", found)):
        return {"400": (*NOWHERE, "UnknownHost"), "404": (*NOWHERE, "NoSuchPath"), "405": (*NOWHERE, "NoSuchMethod")}
    where = ("paths", found, method, "responses")
    return {status: (*where, status) for status in _at(where)}


def _at(where: Where) -> Any:
    found: Any = _document()
    for part in where:
        found = found[part]
    return found


@cache
def _validator(where: Where, document: str) -> Draft202012Validator:
    pointer = quote("/".join(part.replace("/", "~1") for part in where))
    return Draft202012Validator({"$ref": f"urn:{document}#/{pointer}"}, registry=_registry(), validate_formats=True)


def _mistakes(where: Where, value: Any, document: str) -> str:
    return "\n".join(map(str, _validator(where, document).iter_errors(value)))

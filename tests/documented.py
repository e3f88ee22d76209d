"""Holds the API's answers against its own OpenAPI document: status, media type, body and header fields.

Every client of the fixtures does this with each answer, so that what any test sees of the API is also named by it.
"""

from __future__ import annotations

import copy
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
        wrong = [str(error) for error in _validator((*where, "content", media, "schema")).iter_errors(answer.json())]
        assert not wrong, f"{told} is not as the document says:\n" + "\n".join(wrong)


@cache
def _document() -> dict[str, Any]:
    """As it is served, but strict: an object has no property that its schema does not name."""
    document = copy.deepcopy(openapi.document(ACTIONS, "http://localhost"))
    for schema in document["components"]["schemas"].values():
        if "properties" in schema:
            schema.setdefault("additionalProperties", False)
    return document


@cache
def _paths() -> list[tuple[re.Pattern[str], str]]:
    """Fixed paths before `{id}`, as the routes stand."""
    paths = sorted(_document()["paths"], key=lambda path: path.count("{"))
    return [(re.compile(re.sub(r"{\w+}", "[^/]+", path)), path) for path in paths]


@cache
def _registry() -> Registry:
    return Registry([("urn:document", _document())])


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
def _validator(where: Where) -> Draft202012Validator:
    pointer = quote("/".join(part.replace("/", "~1") for part in where))
    return Draft202012Validator({"$ref": f"urn:document#/{pointer}"}, registry=_registry(), validate_formats=True)

"""What the fixtures' clients let through is what the OpenAPI document has, and nothing else."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest

from app.web.answer import API
from tests.documented import hold

SCOPES = f"{API}/auth/allowed-scopes"


def answered(method: str, path: str, status: int, **given: Any) -> httpx2.Response:
    return httpx2.Response(status, request=httpx2.Request(method, f"http://localhost{path}"), **given)


def taken(path: str, body: dict[str, Any]) -> httpx2.Response:
    """A body that was taken, though the answer itself is no better than none."""
    request = httpx2.Request("POST", f"http://localhost{API}{path}", json=body)
    return httpx2.Response(201, request=request, headers={"Content-Type": "application/json"})


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (answered("GET", f"{API}/nothing", 200), "is not in the document"),
        (answered("PUT", SCOPES, 200), "is not in the document"),
        (answered("GET", SCOPES, 204), "is not in the document"),
        (answered("GET", SCOPES, 200, text="admin"), "'text/plain'"),
        (answered("GET", SCOPES, 200, json={"items": 1}), "is not of type"),
        (answered("GET", SCOPES, 200, json={"items": [], "next": None, "more": 1}), "Additional properties"),
        (answered("GET", SCOPES, 503, json={"status": 503}), "'application/json'"),
        (answered("GET", SCOPES, 200, json={"items": [], "next": None}, headers={"Retry-After": "1"}), "retry-after"),
        (answered("GET", SCOPES, 200, json={"items": [], "next": None}, headers={"Lattice-New": "1"}), "lattice-new"),
        (answered("DELETE", f"{API}/jobs/job_1/stop", 405, headers={"Location": "/"}), "location"),
        (answered("POST", f"{API}/auth/logout", 303, text="Go there."), "has no body there"),
        (taken("/api-keys", {"name": "k", "role": "admin"}), "'role' was unexpected"),
    ],
)
def test_what_the_document_does_not_have_fails(answer: httpx2.Response, why: str) -> None:
    with pytest.raises(AssertionError, match=why):
        hold(answer)


@pytest.mark.parametrize(
    "answer",
    [
        answered("GET", SCOPES, 200, json={"items": [], "next": None}, headers={"X-Request-Id": "1"}),
        answered("HEAD", SCOPES, 200, headers={"Content-Type": "application/json"}),
        answered("GET", "/jobs", 418, text="a page"),
        answered("POST", f"{API}/openapi.json", 405),
    ],
)
def test_what_it_has_and_what_is_not_of_the_api_passes(answer: httpx2.Response) -> None:
    hold(answer)

"""What a database can't hold is refused by the field's name: NUL, lone surrogates, texts and numbers without end."""

from __future__ import annotations

import json
from typing import Any

import pytest
from starlette.testclient import TestClient

from app.web.answer import API

JSON = {"Content-Type": "application/json"}
SURROGATE = "a\ud800b"
TEXTS = ("a\x00b", SURROGATE, "x" * 600_000)
NUMBERS = (-(1 << 63) - 1, 1 << 31, 1 << 63, 10**40, 1e300)
ASKED_NUMBERS = ("-9223372036854775809", "9223372036854775808", "1" * 40, "1e300")
ASKED_TEXTS = ("a\x00b", "x" * 5000)
RUN = {"run": "true"}
JOB_TEXTS = ("run", "name", "pool", "setup", "image", "team", "visibility", "max_duration")
JOB_MAPS = ("envs", "secrets", "file_mounts", "volumes", "config")
# Where text goes, and the fields beside it that make the rest right.
TEXT_FIELDS: list[tuple[str, str, str, dict[str, Any]]] = [
    *(("POST", "/jobs", field, RUN) for field in JOB_TEXTS),
    *(("POST", "/jobs/preview", field, RUN) for field in ("run", "name", "pool")),
    ("POST", "/jobs/stop", "ids.0", {}),
    *(("POST", "/jobs/stop", f"filter.{field}", {}) for field in ("name", "q", "owner", "pool", "state", "since")),
    *(("PATCH", "/jobs/{job}", field, {}) for field in ("name", "visibility", "team")),
    ("POST", "/api-keys", "name", {}),
    ("POST", "/api-keys", "scopes.0", {"name": "k"}),
    ("POST", "/api-keys", "expires_at", {"name": "k"}),
    ("PATCH", "/members/{member}", "role", {}),
    ("POST", "/invitations", "email", {}),
    ("POST", "/teams", "name", {}),
    ("PATCH", "/teams/{team}", "name", {}),
    ("POST", "/teams/{team}/members", "member", {}),
    ("PATCH", "/node-pools/{pool}", "drain_reason", {"drained": True}),
    ("PATCH", "/node-pools/{pool}", "isolation", {}),
]
NUMBER_FIELDS: list[tuple[str, str, str, dict[str, Any]]] = [
    *(("POST", "/jobs", field, RUN) for field in ("priority", "num_nodes", "max_duration", "stop.grace")),
    *(("POST", "/jobs", f"resources.{field}", RUN) for field in ("cpus", "memory", "disk_size")),
    ("PATCH", "/jobs/{job}", "priority", {}),
    ("POST", "/api-keys", "expires_in_days", {"name": "k"}),
    *(("PATCH", "/node-pools/{pool}", f"defaults.{field}", {}) for field in ("cpus", "memory")),
    ("PATCH", "/node-pools/{pool}", "limits.max_stop_grace", {}),
]
QUERIES = {
    "/jobs": ("state", "owner", "pool", "name", "q", "since", "until", "limit"),
    "/jobs/count": ("state", "owner", "pool", "name"),
    "/jobs/{job}/logs": ("offset", "limit", "tail", "attempt", "node"),
    "/jobs/{job}/log-matches": ("q", "kind", "after", "limit"),
    "/events": ("action", "actor", "subject", "key", "since", "until", "limit"),
    "/members": ("q", "role", "limit"),
    "/teams": ("q", "limit"),
    "/api-keys": ("owner", "limit"),
}
NUMBERS_ASKED = {"limit", "offset", "tail", "attempt", "node", "after"}
PATHS = ("/jobs/{}", "/api-keys/{}", "/members/{}", "/teams/{}", "/node-pools/{}", "/teams/{team}/members/{}")


@pytest.fixture
def things(admin: TestClient) -> dict[str, str]:
    """Ids to fill paths with."""
    small = {**RUN, "resources": {"cpus": 0.1, "memory": 0.1}}
    return {
        "job": admin.post(f"{API}/jobs", json=small).json()["id"],
        "team": admin.post(f"{API}/teams", json={"name": "vision"}).json()["id"],
        "member": admin.get(f"{API}/members").json()["items"][0]["id"],
        "pool": admin.get(f"{API}/node-pools").json()["items"][0]["id"],
    }


def with_field(body: dict[str, Any], field: str, value: object) -> dict[str, Any]:
    """The body with `value` at a dotted path, whose `0` is the first of a list."""
    for part in reversed(field.split(".")):
        value = [value] if part == "0" else {part: value}
    assert isinstance(value, dict)
    return {**body, **value}


@pytest.mark.database
@pytest.mark.parametrize(("fields", "values"), [(TEXT_FIELDS, TEXTS), (NUMBER_FIELDS, NUMBERS)], ids=["text", "number"])
def test_in_a_body(
    admin: TestClient,
    things: dict[str, str],
    fields: list[tuple[str, str, str, dict[str, Any]]],
    values: tuple[object, ...],
) -> None:
    for method, path, field, beside in fields:
        for value in values:
            body = json.dumps(with_field(beside, field, value))
            answer = admin.request(method, API + path.format(**things), content=body, headers=JSON)
            told = f"{method} {path} {field} {str(value)[:20]!a}: {answer.text[:300]}"
            assert answer.status_code == 422, told
            if value == SURROGATE:  # the body as a whole is no JSON then
                continue
            assert any(error["field"].startswith(field.partition(".")[0]) for error in answer.json()["errors"]), told


@pytest.mark.database
def test_in_a_map_of_a_job(admin: TestClient) -> None:
    for field in JOB_MAPS:
        for text in TEXTS:
            for map_ in ({text: "s3://b"}, {"A": text}, {"A": {"source": text}}):
                answer = admin.post(f"{API}/jobs", content=json.dumps({**RUN, field: map_}), headers=JSON)
                assert answer.status_code == 422, f"{field} {str(map_)[:40]!a}: {answer.text[:300]}"


@pytest.mark.database
def test_in_a_query(admin: TestClient, things: dict[str, str]) -> None:
    for path, names in QUERIES.items():
        for name in names:
            for value in ASKED_NUMBERS if name in NUMBERS_ASKED else ASKED_TEXTS:
                answer = admin.get(API + path.format(**things), params={name: value})
                told = f"{path}?{name}={value[:20]!a}: {answer.status_code} {answer.text[:300]}"
                assert answer.status_code == 422 and answer.json()["errors"][0]["field"] == name, told


@pytest.mark.database
def test_in_a_path(admin: TestClient, things: dict[str, str]) -> None:
    for path in PATHS:
        for id_ in ("%00", "%ED%A0%80", "x" * 5000):
            method = "DELETE" if "/members/" in path and "team" in path else "GET"
            answer = admin.request(method, API + path.format(id_, **things))
            assert answer.status_code == 404, f"{path} {id_[:20]}: {answer.status_code} {answer.text[:300]}"

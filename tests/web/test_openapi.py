"""The OpenAPI document is valid and true: a fuzzer that reads it finds no crash and no answer that it does not name."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator
from starlette.testclient import TestClient

from app.main import ACTIONS
from app.web.answer import API
from tests.conftest import House
from tests.peers.server import ServerMaker

# Operations that the fuzzer leaves out, each with its reason.
SKIPPED = {
    f"{API}/live": "its answer never ends",
    f"{API}/jobs/{{id}}/live": "its answer never ends",
    f"{API}/auth/key": "it revokes the fuzzer's own key",
    f"{API}/auth/logout": "it ends the session that asks; a key has none",
}
# `positive_data_acceptance` takes a semantic 422 or a stale cursor's 400 for a mistake.
EXCLUDED_CHECKS = "positive_data_acceptance"
CONFIG = Path(__file__).with_name("schemathesis.toml")


def document(client: TestClient) -> dict[str, Any]:
    found: dict[str, Any] = client.get(f"{API}/openapi.json").json()
    return found


def test_the_document_is_valid_openapi(anonymous: TestClient) -> None:
    OpenAPIV31SpecValidator(document(anonymous)).validate()


def test_it_holds_what_the_tables_hold(anonymous: TestClient) -> None:
    paths = document(anonymous)["paths"]
    described = {(method.upper(), path) for path, table in paths.items() for method in table}
    assert described == {(a.method, API + a.path) for a in ACTIONS if a.on_api}


def test_every_operation_says_what_it_needs(anonymous: TestClient) -> None:
    paths = document(anonymous)["paths"]
    assert paths[f"{API}/jobs"]["post"]["x-required-scope"] == "compute:write"
    assert paths[f"{API}/api-keys"]["post"]["x-required-scope"] == "admin"
    assert paths[f"{API}/auth/allowed-scopes"]["get"]["security"] == [{}]


def test_a_write_says_that_a_body_can_be_too_large_also_where_it_takes_none(house: House, admin: TestClient) -> None:
    job = admin.post(f"{API}/jobs", json={"run": "true", "resources": {"cpus": 0.1, "memory": 0.1}}).json()["id"]
    too_much = b"x" * (house.site.settings.lattice_body_limit + 1)
    assert admin.post(f"{API}/jobs/{job}/stop", content=too_much).status_code == 413
    for path, table in document(admin)["paths"].items():
        for method, operation in table.items():
            assert ("413" in operation["responses"]) is (method != "get"), f"{method} {path}"


def test_every_answer_says_which_header_fields_a_program_finds_there(anonymous: TestClient) -> None:
    paths = document(anonymous)["paths"]
    for table in paths.values():
        for operation in table.values():
            answers = operation["responses"]
            assert "500" in answers and all("X-Request-Id" in answer["headers"] for answer in answers.values())
            assert "Retry-After" in answers["429"]["headers"] and "Retry-After" in answers["503"]["headers"]
    created = paths[f"{API}/jobs"]["post"]["responses"]["201"]["headers"]
    assert {"Location", "Idempotency-Replayed", "RateLimit", "RateLimit-Policy"} <= created.keys()
    read = paths[f"{API}/jobs/{{id}}/logs"]["get"]["responses"]
    assert {"Lattice-Next-Offset", "Lattice-Log-Size", "Lattice-Log-Gap"} <= read["200"]["headers"].keys()
    assert not any(name.startswith("Lattice-") for name in read["404"]["headers"])


def test_an_export_is_no_stream_of_events(anonymous: TestClient) -> None:
    exported = document(anonymous)["paths"][f"{API}/events/export"]["get"]["responses"]["200"]
    assert exported["content"].keys() == {"text/csv", "application/jsonl"}


def test_the_webhook_says_that_it_refuses_what_is_no_event(anonymous: TestClient) -> None:
    webhook = document(anonymous)["paths"][f"{API}/auth/webhooks/workos"]["post"]
    assert {"401", "403", "413", "422"} <= webhook["responses"].keys()


def test_a_query_that_an_operation_does_not_have_is_refused_as_it_says(admin: TestClient) -> None:
    rows = [a for a in ACTIONS if a.query and a.on_api and a.method == "GET" and "{" not in a.path]
    lenient = {"/auth/login", "/auth/callback"}  # the provider's own fields come along
    assert len(rows) > len(lenient)
    for row in rows:
        answer = admin.head(f"{API}{row.path}?nonsense=1")
        assert (answer.status_code == 422) is (row.path not in lenient), f"{row.path}: {answer.status_code}"
    refused = admin.get(f"{API}/live?topic=job")
    assert refused.status_code == 422 and refused.json()["errors"][0]["field"] == "topic"


def fuzz(new_server: ServerMaker, examples: int) -> None:
    """Against a pool that runs nothing: what is fuzzed must reach no shell."""
    server = new_server(LATTICE_LOCAL_POOL="off")
    server.start()
    key = server.with_key("admin").headers["Authorization"]
    command: list[str | Path] = [
        Path(sys.executable).with_name("schemathesis"), "--config-file", CONFIG,
        "run", f"{server.url}{API}/openapi.json", "--url", server.url,
        "--header", f"Authorization: {key}", "--phases", "examples,coverage,fuzzing", "--max-examples", str(examples),
        "--exclude-checks", EXCLUDED_CHECKS, "--continue-on-failure", "--warnings", "off", "--seed", "1",
        "--suppress-health-check", "all", "--no-color",
    ]  # fmt: skip
    for path in SKIPPED:
        command += ["--exclude-path", path]
    done = subprocess.run(command, check=False, cwd=server.home, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-20_000:]
    assert '"level":"error"' not in server.errors


def test_the_fuzzer_finds_nothing(new_server: ServerMaker) -> None:
    fuzz(new_server, examples=8)


@pytest.mark.full
def test_the_fuzzer_finds_nothing_in_a_long_run(new_server: ServerMaker) -> None:
    fuzz(new_server, examples=200)

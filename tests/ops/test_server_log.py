"""The server's log is JSON lines, in which a request that failed is found by the id that its answer had."""

from __future__ import annotations

import json
from typing import Any

from tests.peers import wait_until
from tests.peers.server import Server, ServerMaker

JOBS = "/api/v1/jobs"


def lines_of(server: Server, request_id: str, count: int) -> list[dict[str, Any]]:
    """So many lines of a request; the last follows its answer."""
    return wait_until(lambda: found if len(found := _lines_of(server, request_id)) == count else [], what="its lines")


def _lines_of(server: Server, request_id: str) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in server.errors.splitlines()]
    assert all({"at", "level", "logger", "message"} <= line.keys() for line in lines)
    return [line for line in lines if line.get("request_id") == request_id]


def test_a_request_that_failed_is_found_by_the_id_of_its_answer(server: Server) -> None:
    program, file = server.with_key("admin"), server.data / "lattice.db"
    assert program.get(JOBS).status_code == 200 and server.errors == ""
    file.rename(file.with_name("away"))
    answer = program.post(JOBS, json={"run": "true"})
    assert answer.status_code == 503 and answer.json()["request_id"] == answer.headers["X-Request-Id"]
    why, request = lines_of(server, answer.headers["X-Request-Id"], 2)
    assert (why["message"], why["level"]) == ("the database did not answer", "error") and "Traceback" in why["error"]
    told = {name: request[name] for name in ("message", "level", "method", "route", "status", "ip")}
    assert told == {
        "message": "request", "level": "error", "method": "POST", "route": JOBS, "status": 503, "ip": "127.0.0.1",
    }  # fmt: skip
    assert request["ms"] > 0 and program.headers["Authorization"].removeprefix("Bearer ") not in server.errors


def test_each_request_is_a_line_where_that_is_asked_for(new_server: ServerMaker) -> None:
    server = new_server(LATTICE_LOG_LEVEL="info")
    server.start()
    answers = [server.client().get(path) for path in ("/healthz", f"{JOBS}/job_nothing?secret=1")]
    (alive,), (refused,) = (lines_of(server, answer.headers["X-Request-Id"], 1) for answer in answers)
    assert alive["status"] == 200 and (refused["status"], refused["route"]) == (401, f"{JOBS}/{{id}}")
    assert "secret=1" not in server.errors

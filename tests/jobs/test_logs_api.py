"""Logs through the front door: pieces by offset, the end, one attempt, gaps, matches, and a stream that resumes."""

from __future__ import annotations

import orjson
from sqlalchemy import insert, update
from starlette.testclient import TestClient

from app.db import utcnow
from app.jobs.models import ATTEMPT, JOB, LOG
from app.jobs.queries import log_state
from app.stores.logs import LogState
from tests.conftest import House
from tests.jobs.log_scenes import JOBS, LINES, end, keep, placed, write
from tests.sse import frames


def test_the_whole_log_as_text(client: TestClient, job_id: str) -> None:
    answer = client.get(f"{JOBS}/{job_id}/logs")
    assert answer.content == LINES and answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.headers["Lattice-Next-Offset"] == answer.headers["Lattice-Log-Size"] == str(len(LINES))


def test_a_piece_says_where_to_go_on(client: TestClient, job_id: str) -> None:
    answer = client.get(f"{JOBS}/{job_id}/logs?offset=7&limit=10")
    assert answer.content == LINES[7:17] and answer.headers["Lattice-Next-Offset"] == "17"


def test_the_last_lines(client: TestClient, job_id: str) -> None:
    assert client.get(f"{JOBS}/{job_id}/logs?tail=2").text == "line 98\nline 99\n"


def test_offsets_past_the_end_give_nothing(client: TestClient, job_id: str) -> None:
    answer = client.get(f"{JOBS}/{job_id}/logs?offset=999999")
    assert answer.content == b"" and answer.headers["Lattice-Next-Offset"] == str(len(LINES))


def test_wrong_places_are_refused_by_name(client: TestClient, job_id: str) -> None:
    for query, field in (("attempt=2", "attempt"), ("node=1", "node"), ("offset=-1", "offset"), ("tail=0", "tail")):
        answer = client.get(f"{JOBS}/{job_id}/logs?{query}")
        assert answer.status_code == 422 and answer.json()["errors"][0]["field"] == field, answer.text
    assert client.get(f"{JOBS}/{job_id}/logs?tail=1&offset=1").status_code == 422


def test_one_attempts_part(house: House, client: TestClient, job_id: str) -> None:
    with house.site.db.write() as db:
        first = db.connection().execute(ATTEMPT.select().where(ATTEMPT.c.job_id == job_id)).one()._asdict()
        second = {**first, "id": first["id"] + "2", "number": 2, "log_start": len(LINES), "log_collected": 4}
        db.connection().execute(insert(ATTEMPT), second)
    with house.site.db.read() as db:
        state = log_state(db, job_id)
    after = house.site.logs.append(job_id, state, b"two\n")
    with house.site.db.write() as db:
        db.connection().execute(update(LOG).where(LOG.c.job_id == job_id).values(size=after.size))
    assert client.get(f"{JOBS}/{job_id}/logs?attempt=1").content == LINES
    assert client.get(f"{JOBS}/{job_id}/logs?attempt=2").content == b"two\n"
    assert client.get(f"{JOBS}/{job_id}/logs?attempt=2&tail=5").content == b"two\n"


def test_a_read_in_a_gap_goes_on_behind_it_and_says_so(house: House, client: TestClient) -> None:
    job_id = placed(house.site, client)
    state = house.site.logs.append(job_id, LogState(), b"head\n")
    state = house.site.logs.gap(job_id, state, 5_000_000)
    keep(house.site, job_id, house.site.logs.append(job_id, state, b"tail\n"))
    answer = client.get(f"{JOBS}/{job_id}/logs?offset=1000")
    assert answer.content == b"tail\n" and answer.headers["Lattice-Log-Start"] == "5000000"
    assert answer.headers["Lattice-Log-Gap"] == "1000-5000000"
    whole = client.get(f"{JOBS}/{job_id}/logs").text
    cut = "[Lattice: bytes 5 to 5,000,000 were cut out of this log; it goes on at offset 5000000]"
    assert whole == f"head\n{cut}\ntail\n"


def test_a_removed_log_is_gone(house: House, client: TestClient, job_id: str) -> None:
    with house.site.db.write() as db:
        db.connection().execute(update(JOB).where(JOB.c.id == job_id).values(logs_removed_at=utcnow()))
    assert client.get(f"{JOBS}/{job_id}/logs").status_code == 410


def test_the_page_of_a_removed_log_says_so_and_offers_nothing(house: House, admin: TestClient, job_id: str) -> None:
    there = admin.get(f"/jobs/{job_id}").text
    assert "data-log-view" in there and "Download" in there
    with house.site.db.write() as db:
        db.connection().execute(update(JOB).where(JOB.c.id == job_id).values(logs_removed_at=utcnow()))
    gone = admin.get(f"/jobs/{job_id}").text
    assert f"this one was removed on {utcnow():%Y-%m-%d}" in gone
    assert "data-log-view" not in gone and "Download" not in gone and "Nothing has been written" not in gone


def test_lines_are_found(house: House, client: TestClient) -> None:
    job_id = placed(house.site, client)
    write(house.site, job_id, b"one\nTraceback (most recent call last):\nlast two\nLAST\n")
    found = client.get(f"{JOBS}/{job_id}/log-matches?q=last").json()
    assert [match["offset"] for match in found["items"]] == [4, 39, 48] and found["next"] is None
    errors = client.get(f"{JOBS}/{job_id}/log-matches?kind=error").json()
    assert [match["line"] for match in errors["items"]] == ["Traceback (most recent call last):"]
    first = client.get(f"{JOBS}/{job_id}/log-matches?q=last&limit=1").json()
    assert len(first["items"]) == 1
    rest = client.get(f"{JOBS}/{job_id}/log-matches?q=last&after={first['next']}").json()
    assert [match["offset"] for match in rest["items"]] == [39, 48]


def test_a_follower_gets_everything_and_the_end(client: TestClient, job_id: str) -> None:
    *logs, last = frames(client.get(f"{JOBS}/{job_id}/logs?follow=1").iter_lines())
    assert "".join(one["data"] + "\n" for one in logs).encode() == LINES
    assert last["event"] == "end" and logs[-1]["id"] == last["id"] == str(len(LINES))


def test_a_follower_resumes_after_the_last_frame_that_it_had(client: TestClient, job_id: str) -> None:
    headers = {"Last-Event-ID": str(len(LINES) - len("line 99\n"))}
    first, last = frames(client.get(f"{JOBS}/{job_id}/logs?follow=1&offset=3", headers=headers).iter_lines())
    assert first["data"] == "line 99" and last["event"] == "end"


def test_a_follower_is_told_of_a_gap(house: House, client: TestClient) -> None:
    job_id = placed(house.site, client)
    state = house.site.logs.append(job_id, LogState(), b"head\n")
    state = house.site.logs.gap(job_id, state, 5_000_000)
    keep(house.site, job_id, house.site.logs.append(job_id, state, b"tail\n"))
    end(house.site, job_id)
    seen = list(frames(client.get(f"{JOBS}/{job_id}/logs?follow=1").iter_lines()))
    assert [one.get("event", "message") for one in seen] == ["message", "gap", "message", "end"]
    assert orjson.loads(seen[1]["data"]) == {"from": 5, "to": 5_000_000} and seen[1]["id"] == "5000000"


def test_progress_bars_are_shown_line_by_line_to_a_follower(house: House, client: TestClient) -> None:
    job_id = placed(house.site, client)
    write(house.site, job_id, b"10%\r20%\r\nhalf a line")
    end(house.site, job_id)
    first, _ = frames(client.get(f"{JOBS}/{job_id}/logs?follow=1").iter_lines())
    assert first["data"] == "10%\n20%\nhalf a line"

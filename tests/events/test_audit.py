"""The audit trail: refused attempts are in it, it pages and filters by indexes, and it can be taken out whole."""

from __future__ import annotations

import csv
import html
import io
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from sqlalchemy import insert
from sqlalchemy.event import listen, remove
from starlette.testclient import TestClient

from app import events
from app.db import utcnow
from app.events.answers import in_words
from app.events.export import as_text
from app.events.models import Event
from app.web.ask import Actor
from app.web.refusals import A_MINUTE, MINUTE
from tests.accounts.people import API, me, membership
from tests.conftest import House


def refused(client: TestClient) -> list[dict[str, Any]]:
    return list(client.get(f"{API}/events", params={"action": "request.refused"}).json()["items"])


@pytest.mark.database
def test_a_refused_write_is_in_the_trail(admin: TestClient, member: TestClient) -> None:
    own = membership(member)
    assert member.patch(f"{API}/members/{own}", json={"role": "admin"}).status_code == 403
    event = refused(admin)[0]
    assert event["subject_id"] == own and event["ip"] == "testclient"
    assert event["data"] == {
        "method": "PATCH", "path": "/members/{id}", "reason": "This needs the role admin in the organization.",
    }  # fmt: skip


def test_a_refused_key_is_named(admin: TestClient, house: House) -> None:
    assert house.key("storage:write").post(f"{API}/jobs", json={"run": "true"}).status_code == 403
    event = refused(admin)[0]
    assert str(event["key_id"]).startswith("key_") and "compute:write" in str(event["data"])


@pytest.mark.database
def test_what_was_done_with_a_key_is_found(admin: TestClient, house: House) -> None:
    program = house.key("admin")
    key = admin.get(f"{API}/api-keys").json()["items"][0]["id"]
    answer = program.post(f"{API}/teams", json={"name": "Vision"})
    (event,) = admin.get(f"{API}/events", params={"key": key}).json()["items"]
    assert event["action"] == "team.created" and event["request_id"] == answer.headers["X-Request-Id"]


@pytest.mark.database
def test_the_page_names_the_keys_that_its_reader_may_see(admin: TestClient, member: TestClient, house: House) -> None:
    house.key("admin").post(f"{API}/teams", json={"name": "Vision"})
    (key,) = admin.get(f"{API}/api-keys").json()["items"]
    link = f'<a class="link clip" href="/api-keys/{key["id"]}">{key["name"]}</a>'
    assert link in admin.get("/events?action=team").text
    page = member.get("/events?action=team").text
    assert "team.created" in page and "An API key" in page and key["id"] not in page.replace(f"key={key['id']}", "")


def test_another_member_does_not_see_who_was_refused(admin: TestClient, member: TestClient, house: House) -> None:
    eve = house.member("eve@lab.test")
    member.delete(f"{API}/members/{membership(admin)}")
    assert len(refused(member)) == 1 and refused(eve) == []


def test_a_refused_look_at_what_admins_see_is_recorded(admin: TestClient, member: TestClient) -> None:
    assert member.get(f"{API}/invitations").status_code == 403
    assert refused(admin)[0]["data"] == {
        "method": "GET", "path": "/invitations", "reason": "This needs the role admin in the organization.",
    }  # fmt: skip


@pytest.mark.database
def test_trying_often_does_not_flood_the_trail_and_is_told_in_the_end(
    admin: TestClient, member: TestClient, house: House
) -> None:
    admins = membership(admin)
    for _ in range(A_MINUTE + 5):
        assert member.delete(f"{API}/members/{admins}").status_code == 403
    assert len(refused(admin)) == A_MINUTE
    house.app.state.house.refusals.tell(utcnow() + MINUTE)
    assert len(refused(admin)) == A_MINUTE + 1
    assert refused(admin)[0]["data"]["more"] == 5
    house.app.state.house.refusals.tell(utcnow() + MINUTE)
    assert len(refused(admin)) == A_MINUTE + 1


def record_many(house: House, number: int, *, name: str = "", private_to: str | None = None) -> None:
    by = Actor.system(house.home.id)
    with house.site.db.write() as db:
        for n in range(number):
            events.record(db, by, "thing.made", subject_id=f"thing_{n}", subject_name=name, private_to=private_to)


@pytest.mark.database
def test_the_export_has_every_event_once(admin: TestClient, house: House) -> None:
    record_many(house, 2500)
    answer = admin.get(f"{API}/events/export", params={"format": "jsonl", "action": "thing"})
    assert answer.headers["content-type"] == "application/jsonl"
    rows = [orjson.loads(line) for line in answer.content.splitlines()]
    seqs = [row["seq"] for row in rows]
    assert len(seqs) == 2500 and seqs == sorted(set(seqs), reverse=True)


def test_the_export_as_csv_has_a_header_and_carries_nothing_out(admin: TestClient, house: House) -> None:
    record_many(house, 1, name='=HYPERLINK("http://evil.test")')
    answer = admin.get("/events/export", params={"format": "csv", "action": "thing.made"})
    assert "attachment" in answer.headers["content-disposition"]
    header, row = csv.reader(io.StringIO(answer.text))
    assert dict(zip(header, row, strict=True))["subject_name"] == '\'=HYPERLINK("http://evil.test")'


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_a_cell_is_never_a_formula(cell: str) -> None:
    assert as_text(cell) == f"'{cell}"
    assert as_text("train =1") == "train =1"


def test_the_export_is_refused_for_a_wrong_filter(admin: TestClient, anonymous: TestClient) -> None:
    assert admin.get(f"{API}/events/export", params={"format": "xlsx"}).status_code == 422
    assert anonymous.get(f"{API}/events/export").status_code == 401


def test_a_member_exports_what_a_member_sees(admin: TestClient, member: TestClient, house: House) -> None:
    record_many(house, 3, private_to=str(me(admin)["id"]))
    assert len(admin.get(f"{API}/events/export", params={"action": "thing"}).content.splitlines()) == 4
    assert len(member.get(f"{API}/events/export", params={"action": "thing"}).content.splitlines()) == 1


@pytest.mark.database
def test_times_narrow_to_what_happened_between(admin: TestClient, house: House) -> None:
    base = datetime(2026, 1, 1, tzinfo=UTC)
    with house.site.db.write() as db:
        for hour in range(48):
            at = base + timedelta(hours=hour)
            events.record(db, Actor.system(house.home.id), "thing.made", subject_id=f"thing_{hour}", at=at)
    span = {"since": "2026-01-01T10:00:00Z", "until": "2026-01-01T13:00:00Z"}
    found = admin.get(f"{API}/events", params=span).json()["items"]
    assert [e["subject_id"] for e in found] == ["thing_12", "thing_11", "thing_10"]


def test_a_change_tells_what_was_and_what_is_now(admin: TestClient) -> None:
    key = admin.post(f"{API}/api-keys", json={"name": "before", "scopes": ["compute:write"]}).json()["id"]
    for _ in range(2):  # the second changes nothing
        admin.patch(f"{API}/api-keys/{key}", json={"name": "after"})
    pool = admin.get(f"{API}/node-pools").json()["items"][0]["id"]
    admin.patch(f"{API}/node-pools/{pool}", json={"defaults": {"cpus": 0.5}, "limits": {"max_stop_grace": 60}})
    job = admin.post(f"{API}/jobs", json={"run": "true", "name": "old"}).json()["id"]
    admin.patch(f"{API}/jobs/{job}", json={"name": "new", "priority": 5})
    told = {
        subject: admin.get(f"{API}/events", params={"subject": subject}).json()["items"] for subject in (key, pool, job)
    }
    assert [e["details"] for e in told[key]] == ["name before → after", "scopes compute:write"]
    assert told[pool][0]["details"] == "defaults cpus 1 → 0.5 · limits max stop grace 900 → 60"
    changed = next(e for e in told[job] if e["action"] == "job.changed")
    assert changed["data"] == {"changes": {"name": {"was": "old", "now": "new"}, "priority": {"was": 0, "now": 5}}}
    assert changed["details"] == "name old → new · priority 0 → 5"
    assert changed["details"] in html.unescape(admin.get("/events", params={"subject": job}).text)


def test_what_was_private_is_not_told_when_it_is_no_more(admin: TestClient, member: TestClient) -> None:
    job = admin.post(f"{API}/jobs", json={"run": "true", "name": "hush", "visibility": "private"}).json()["id"]
    admin.patch(f"{API}/jobs/{job}", json={"name": "open", "visibility": "organization"})
    seen = member.get(f"{API}/events", params={"subject": job}).json()["items"]
    assert "hush" not in str(seen)
    changes = [e["data"]["changes"] for e in seen if e["action"] == "job.changed"]
    assert changes == [{"visibility": {"was": "private", "now": "organization"}}]
    assert "hush" in admin.get(f"{API}/events", params={"subject": job}).text


def test_a_list_goes_back_a_span_from_whenever_it_is_read(admin: TestClient, house: House) -> None:
    with house.site.db.write() as db:
        for hours in (50, 30, 2):
            at = utcnow() - timedelta(hours=hours)
            events.record(db, Actor.system(house.home.id), "thing.made", subject_id=f"thing_{hours}", at=at)
    for span, seen in (("3h", ["thing_2"]), ("180m", ["thing_2"]), ("2d", ["thing_2", "thing_30"])):
        found = admin.get(f"{API}/events", params={"since": span, "action": "thing"}).json()["items"]
        assert [e["subject_id"] for e in found] == seen, span


NOW = utcnow()
FILTERS: list[dict[str, str]] = [
    {},
    {"action": "job"},
    {"action": "job.stopped", "actor": "usr_1"},
    {"actor": "usr_1", "action": "job"},
    {"subject": "job_1", "actor": "usr_1"},
    {"key": "key_1", "action": "job"},
    {"since": (NOW - timedelta(hours=1)).isoformat()},
    {"until": (NOW - timedelta(days=300)).isoformat(), "action": "job"},
]


@pytest.mark.parametrize("params", FILTERS, ids=" ".join)
def test_a_page_walks_an_index_and_sorts_nothing(house: House, admin: TestClient, params: dict[str, str]) -> None:
    """Asked of SQLite, whose plan of these does not depend on how many rows there are."""
    asked: list[tuple[str, Any]] = []

    def note(_c: object, _cursor: object, statement: str, parameters: Any, *_more: object) -> None:
        if "FROM event" in statement and "organization_id" in statement:  # not the pulse's own look
            asked.append((statement, parameters))

    listen(house.site.db.engine, "before_cursor_execute", note)
    assert admin.get(f"{API}/events", params=params).status_code == 200
    remove(house.site.db.engine, "before_cursor_execute", note)
    with house.site.db.read() as db:
        plans = [
            row[3]
            for statement, parameters in asked
            for row in db.connection().exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
        ]
    assert plans and all("USING" in plan and "INDEX" in plan for plan in plans), plans


@pytest.mark.full
def test_a_million_events_page_quickly(house: House, admin: TestClient) -> None:
    rows = [
        {"organization_id": house.home.id, "at": NOW, "action": "job.stopped", "noun": "job", "subject_id": "job_1",
         "subject_name": "", "actor_kind": "user", "actor_name": "", "data": "{}"}
    ] * 10_000  # fmt: skip
    for _ in range(100):
        with house.site.db.write() as db:
            db.connection().execute(insert(Event), rows)
    for params in ({}, {"action": "member"}, {"actor": "usr_none"}, {"since": "2026-01-01T00:00:00Z"}):
        assert admin.get(f"{API}/events", params=params).elapsed.total_seconds() < 0.25


@pytest.mark.parametrize(
    "when",
    ["0.5", "1700000000", "1e9", "yesterday", "2026-01-01", "9999-12-31T23:59:59Z", "0h", "1y", "-1h", "999999d"],
)
def test_what_is_no_time_is_refused(admin: TestClient, when: str) -> None:
    assert admin.get(f"{API}/events", params={"since": when}).status_code == 422


@pytest.mark.parametrize("moment", ["2027-02-27T02:16:35.690830+00:00", "2027-02-27T02:16:35Z"])
def test_moments_are_told_as_people_read_them(moment: str) -> None:
    assert in_words({"expires_at": moment}) == "expires at 2027-02-27 02:16 UTC"

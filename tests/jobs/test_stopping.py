"""Stop one, stop many: what a request may do by itself. What workers do of it is told in tests/workers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

from app.db import new_id, utcnow
from app.jobs.models import Job, JobState
from app.jobs.states import MOVES, HeldJob, IllegalMove, Move, move
from app.site import Site
from app.web.ask import Actor
from app.workers.scheduler import Scheduler
from tests.conftest import House
from tests.jobs.rows import Home, job, stop, submit, totals

JOBS = "/api/v1/jobs"
Key = Callable[..., TestClient]


def start(site: Site, job_id: str) -> None:
    """Place it, as the scheduler does."""
    Scheduler(site, lambda _: None).round()
    assert job(site, job_id).state is JobState.STARTING


@pytest.mark.database
def test_a_queued_job_is_stopped_at_once(site: Site, home: Home) -> None:
    job_id = submit(site, home)
    assert stop(site, home, job_id)
    stopped = job(site, job_id)
    assert (stopped.state, stopped.reason_code) == (JobState.STOPPED, "stopped_in_queue")
    assert stopped.finished_at and totals(site) == {JobState.STOPPED: 1}


@pytest.mark.database
def test_of_a_started_job_the_intent_is_noted_then_hastened_then_nothing(site: Site, home: Home) -> None:
    job_id = submit(site, home)
    start(site, job_id)
    assert [stop(site, home, job_id) for _ in range(3)] == [True, True, False]
    told = job(site, job_id)
    assert told.state is JobState.STARTING and told.stop_requested_at and told.stop_at_once


def test_stopping_what_has_ended_changes_nothing_and_is_202(house: House, key: Key) -> None:
    client = key("compute:write")
    job_id = client.post(JOBS, json={"run": "true"}).json()["id"]
    first = client.post(f"{JOBS}/{job_id}/stop")
    second = client.post(f"{JOBS}/{job_id}/stop")
    assert first.status_code == second.status_code == 202 and first.json() == second.json()


@pytest.mark.database
def test_many_are_stopped_in_one_call(house: House, key: Key) -> None:
    client, bob = key("compute:write"), key("compute:write", user=house.person("bob@lab.test"))
    jobs = [client.post(JOBS, json={"run": "true"}).json()["id"] for _ in range(5)]
    hidden = client.post(JOBS, json={"run": "true", "visibility": "private"}).json()["id"]
    own = bob.post(JOBS, json={"run": "true"}).json()["id"]
    client.post(f"{JOBS}/{jobs[0]}/stop")
    none = new_id("job")
    answer = bob.post(f"{JOBS}/stop", json={"ids": [own, jobs[1], hidden, none]})
    assert answer.status_code == 202
    assert (answer.json()["stopped"], answer.json()["unchanged"]) == (1, 0)
    refused = {entry["id"]: entry["detail"] for entry in answer.json()["refused"]}
    assert refused.keys() == {jobs[1], hidden, none} and refused[hidden] == refused[none] != refused[jobs[1]]
    answer = client.post(f"{JOBS}/stop", json={"ids": [*jobs, *jobs]})
    assert answer.json() == {"stopped": 4, "unchanged": 1, "refused": []}


def test_a_filter_stops_what_it_matches_and_of_a_member_only_their_own(house: House, key: Key) -> None:
    client, bob = key("compute:write"), key("compute:write", user=house.person("bob@lab.test"))
    for name in ("train-a", "train-b", "other"):
        client.post(JOBS, json={"run": "true", "name": name})
    bob.post(JOBS, json={"run": "true", "name": "train-c"})
    assert bob.post(f"{JOBS}/stop", json={"filter": {"q": "train"}}).json()["stopped"] == 1
    assert client.post(f"{JOBS}/stop", json={"filter": {"q": "train"}}).json()["stopped"] == 2
    assert client.post(f"{JOBS}/stop", json={"filter": {"state": "succeeded"}}).json()["stopped"] == 0
    assert client.post(f"{JOBS}/stop", json={"filter": {}}).json()["stopped"] == 1


def test_a_members_filter_for_another_owner_stops_nothing(house: House, key: Key) -> None:
    bob, eve = house.person("bob@lab.test"), house.person("eve@lab.test")
    own = [key("compute:write", user=user).post(JOBS, json={"run": "true"}).json()["id"] for user in (bob, eve)]
    answer = key("compute:write", user=bob).post(f"{JOBS}/stop", json={"filter": {"owner": eve.id}})
    assert answer.json() == {"stopped": 0, "unchanged": 0, "refused": []}
    assert {key().get(f"{JOBS}/{job_id}").json()["state"] for job_id in own} == {"queued"}


def test_a_bulk_stop_needs_ids_or_a_filter_and_at_most_a_thousand(key: Key) -> None:
    client = key("compute:write")
    wrong: list[dict[str, Any]] = [{}, {"ids": []}, {"ids": ["job_1"], "filter": {}}, {"ids": ["job_1"] * 1001}]
    for body in wrong:
        assert client.post(f"{JOBS}/stop", json=body).status_code == 422


def test_the_pages_tick_boxes_stop_jobs(admin: TestClient, key: Key) -> None:
    client = key("compute:write")
    job_id = client.post(JOBS, json={"run": "true"}).json()["id"]
    assert admin.post("/jobs/stop", data={"ids[]": job_id}).status_code == 303
    assert client.get(f"{JOBS}/{job_id}").json()["state"] == "stopped"


@pytest.mark.parametrize(
    ("came_from", "address"),
    [("/jobs?q=three&state=queued", "/jobs?q=three&state=queued"), ("//elsewhere.test", "/jobs"), ("", "/jobs")],
)
def test_the_page_goes_back_to_its_own_filters(admin: TestClient, key: Key, came_from: str, address: str) -> None:
    job_id = key("compute:write").post(JOBS, json={"run": "true"}).json()["id"]
    answer = admin.post("/jobs/stop", data={"ids[]": job_id, "_next": came_from}, follow_redirects=False)
    assert (answer.status_code, answer.headers["Location"]) == (303, address)


def test_stopping_nothing_from_the_page_says_what_to_do(admin: TestClient, key: Key) -> None:
    key("compute:write").post(JOBS, json={"run": "true", "name": "not-ticked"})
    page = admin.post("/jobs/stop", data={"_method": "POST"})
    assert page.status_code == 422 and "not-ticked" in page.text
    assert "Tick the jobs to stop first." in page.text and "ids or filter" not in page.text
    assert 'href="/jobs?state=failed"' in page.text and 'href="/jobs/stop?' not in page.text


@pytest.mark.parametrize(
    "came_from", ["/jobs?state=queued&q=not-ticked", "/jobs?cursor=bent", "/elsewhere", "//x.test"]
)
def test_a_mistake_keeps_the_lists_filters_if_it_can(admin: TestClient, key: Key, came_from: str) -> None:
    key("compute:write").post(JOBS, json={"run": "true", "name": "not-ticked"})
    page = admin.post("/jobs/stop", data={"_next": came_from})
    assert page.status_code == 422 and "Tick the jobs to stop first." in page.text and "not-ticked" in page.text
    kept = "state=queued" in came_from
    assert page.headers["HX-Replace-Url"] == (came_from if kept else "/jobs")
    assert ('value="queued"' in page.text) == kept


def test_who_killed_a_job_can_do_no_more(key: Key, site: Site) -> None:
    client = key("compute:write")
    job_id = client.post(JOBS, json={"run": "true"}).json()["id"]
    start(site, job_id)
    assert client.post(f"{JOBS}/{job_id}/stop").json()["may"]["stop"] is True
    assert client.post(f"{JOBS}/{job_id}/stop").json()["may"]["stop"] is False


def test_a_text_too_short_stops_nothing(admin: TestClient, key: Key) -> None:
    client = key("compute:write")
    job_id = client.post(JOBS, json={"run": "true"}).json()["id"]
    assert admin.post("/jobs/stop", data={"filter.q": "tr"}).status_code == 422
    assert client.get(f"{JOBS}/{job_id}").json()["state"] == "queued"


def test_every_state_but_the_final_ones_leads_on() -> None:
    assert set(MOVES) == set(JobState)
    assert all(target in MOVES for onward in MOVES.values() for target in onward)


def test_an_illegal_move_is_an_error(site: Site, home: Home) -> None:
    job_id = submit(site, home)
    stop(site, home, job_id)
    with pytest.raises(IllegalMove), site.db.write() as db:
        move(db, of(job(site, job_id)), utcnow())


def test_a_move_of_a_job_that_moved_meanwhile_is_an_error_and_writes_nothing(site: Site, home: Home) -> None:
    job_id = submit(site, home)
    stale = of(job(site, job_id))
    stop(site, home, job_id)
    with pytest.raises(IllegalMove), site.db.write() as db:
        move(db, stale, utcnow())
    assert totals(site) == {JobState.STOPPED: 1}


def of(found: Job) -> Move:
    """A move to `starting`, as one who read this row would make it."""
    held = HeldJob(
        id=found.id, organization_id=found.organization_id, pool_id=found.pool_id, owner_id=found.owner_id,
        name=found.name, state=found.state, is_private=found.is_private,
    )  # fmt: skip
    return Move(job=held, to=JobState.STARTING, by=Actor.system(found.organization_id))

"""Jobs through the front door, without workers: submit, show, list, change, run again."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

from app.jobs.models import JobState
from tests.conftest import House

Key = Callable[..., TestClient]
JOBS = "/api/v1/jobs"


@pytest.fixture
def program(key: Key) -> TestClient:
    return key("compute:write")


def submitted(client: TestClient, **fields: Any) -> dict[str, Any]:
    answer = client.post(JOBS, json={"run": "true", **fields})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def names(client: TestClient, query: str = "") -> list[str]:
    answer = client.get(f"{JOBS}{query}")
    assert answer.status_code == 200, answer.text
    return [job["name"] for job in answer.json()["items"]]


@pytest.mark.database
def test_a_submitted_job_is_queued_and_says_why(program: TestClient) -> None:
    job = submitted(program, name="train", envs={"EPOCHS": "3"}, resources={"cpus": 1.5, "accelerators": "H100:2"})
    assert (job["state"], job["reason"]) == ("queued", "waiting to be placed in pool local")
    assert (job["cpus"], job["memory"], job["accelerators"], job["queue_position"]) == (1.5, 1, "H100:2", 1)
    assert job["attempt"] is None and job["attempts"] == [] and job["log_size"] == 0


@pytest.mark.database
def test_the_answer_to_a_submit_is_the_job_as_it_is_shown(program: TestClient) -> None:
    recovery = {"strategy": "failover", "max_restarts_on_errors": 2}
    job = submitted(
        program, name="train", setup="pip list", secrets={"TOKEN": "s"}, max_duration="2h", priority=7,
        visibility="private", stop={"signal": "INT", "grace": "1m"}, resources={"job_recovery": recovery},
    )  # fmt: skip
    assert program.get(f"{JOBS}/{job['id']}").json() == job


def test_a_submit_answers_with_the_jobs_address(program: TestClient) -> None:
    answer = program.post(JOBS, json={"run": "true"})
    assert answer.headers["Location"] == f"{JOBS}/{answer.json()['id']}"


def test_a_task_yaml_is_submitted_unchanged(program: TestClient) -> None:
    task = "name: from-yaml\nresources:\n  cpus: 1+\nrun: |\n  echo one\n  echo two\n"
    answer = program.post(JOBS, content=task, headers={"Content-Type": "application/yaml"})
    assert answer.status_code == 201, answer.text
    assert answer.json()["run"] == "echo one\necho two\n"


def test_a_shown_task_can_be_submitted_again(program: TestClient) -> None:
    job = submitted(program, name="train", envs={"A": "1"}, resources={"cpus": "2", "accelerators": {"H100": 2}})
    task = program.get(f"{JOBS}/{job['id']}/task")
    assert task.headers["content-type"].startswith("application/yaml") and task.text == job["task"]
    again = program.post(JOBS, content=task.text, headers={"Content-Type": "application/yaml"})
    assert again.json()["task"] == job["task"]


def test_more_than_the_pool_could_ever_hold_is_refused_by_name(program: TestClient) -> None:
    answer = program.post(JOBS, json={"run": "true", "resources": {"accelerators": "H100:9"}})
    assert answer.status_code == 422
    (error,) = answer.json()["errors"]
    assert error["field"] == "resources.accelerators" and "at most 8 H100" in error["message"]


def test_a_pool_that_there_is_not_is_refused(program: TestClient) -> None:
    answer = program.post(JOBS, json={"run": "true", "pool": "lab"})
    assert answer.status_code == 422 and answer.json()["errors"][0]["field"] == "pool"


def test_secrets_are_stored_encrypted_and_never_shown(house: House, program: TestClient) -> None:
    job = submitted(program, secrets={"TOKEN": "a-secret-value"})
    assert job["secrets"] == {"TOKEN": None}
    house.site.db.close()
    for file in house.site.datadir.path.parent.glob("lattice.db*"):
        assert b"a-secret-value" not in file.read_bytes()


def test_a_job_of_another_organization_is_not_there(house: House, program: TestClient) -> None:
    job = submitted(program)
    other = house.organization("Elsewhere")
    stranger = house.key("compute:write", user=house.person("eve@lab.test", organization=other), organization=other)
    assert stranger.get(f"{JOBS}/{job['id']}").status_code == 404
    assert stranger.post(f"{JOBS}/{job['id']}/stop").status_code == 404
    assert names(stranger) == []


def test_a_private_job_is_seen_by_its_owner_and_admins_alone(house: House, program: TestClient) -> None:
    bob, eve = house.person("bob@lab.test"), house.person("eve@lab.test")
    job = submitted(house.key("compute:write", user=bob), name="hidden", visibility="private")
    assert names(house.key(user=eve)) == [] and names(house.key(user=eve), "?q=hidden") == []
    assert house.key(user=eve).get(f"{JOBS}/{job['id']}").status_code == 404
    assert names(house.key(user=bob)) == names(program) == names(program, "?q=hidden") == ["hidden"]


def test_a_member_changes_and_stops_none_of_others_jobs(house: House, program: TestClient) -> None:
    job = submitted(program)
    bob = house.key("compute:write", user=house.person("bob@lab.test"))
    address = f"{JOBS}/{job['id']}"
    assert bob.get(address).json()["may"] == {"stop": False, "rerun": False, "change": False}
    refused = [bob.post(f"{address}/stop"), bob.post(f"{address}/rerun"), bob.patch(address, json={"priority": 1})]
    assert [answer.status_code for answer in refused] == [403, 403, 403]


def test_a_change_shows_everywhere(program: TestClient) -> None:
    job = submitted(program, name="before", priority=3, visibility="private")
    values = {"name": "after", "priority": 0, "visibility": "organization"}
    changed = program.patch(f"{JOBS}/{job['id']}", json=values).json()
    assert {name: changed[name] for name in values} == values
    assert changed["task"] == "name: after\nrun: 'true'\n"
    assert names(program, "?q=after") == ["after"] and names(program, "?q=before") == []


def test_the_queue_is_by_priority_then_age(program: TestClient) -> None:
    first, second = submitted(program, name="first"), submitted(program, name="second")
    urgent = submitted(program, name="urgent", priority=5)
    assert urgent["queue_position"] == 1
    places = {job["name"]: job["queue_position"] for job in program.get(JOBS).json()["items"]}
    assert places == {"urgent": 1, "first": 2, "second": 3}
    program.patch(f"{JOBS}/{second['id']}", json={"priority": 9})
    assert program.get(f"{JOBS}/{first['id']}").json()["queue_position"] == 3


def test_a_job_is_run_again_with_its_secrets(program: TestClient) -> None:
    job = submitted(program, name="train", secrets={"TOKEN": "s"}, priority=2)
    again = program.post(f"{JOBS}/{job['id']}/rerun")
    assert again.status_code == 201 and again.json()["id"] != job["id"]
    assert again.json()["task"] == job["task"] and again.json()["secrets"] == {"TOKEN": None}


@pytest.mark.database
def test_filters(house: House, program: TestClient) -> None:
    bob = house.key("compute:write", user=house.person("bob@lab.test"))
    submitted(program, name="alpha", run="echo needle-in-hay")
    submitted(bob, name="beta")
    stopped = submitted(program, name="gamma")
    program.post(f"{JOBS}/{stopped['id']}/stop")
    assert names(program) == ["gamma", "beta", "alpha"]
    assert names(program, "?state=queued") == ["beta", "alpha"]
    assert names(program, "?state=queued,stopped") == ["gamma", "beta", "alpha"]
    assert names(bob, "?owner=me") == ["beta"]
    assert names(program, "?pool=local&owner=me&state=queued") == ["alpha"]
    assert names(program, "?name=alpha&state=succeeded") == names(program, "?pool=nowhere") == []
    assert names(program, "?name=beta") == ["beta"]
    assert names(program, "?q=NEEDLE-in") == ["alpha"]
    assert names(program, '?q="odd OR') == []
    assert names(program, f"?since={stopped['created_at']}") == ["gamma"]
    assert names(program, f"?until={stopped['created_at']}") == ["beta", "alpha"]
    assert names(program, "?since=1h&state=queued") == ["beta", "alpha"]


def test_wrong_filters_are_refused_by_name(program: TestClient) -> None:
    for query, field in (("state=asleep", "state"), ("q=ab", "q"), ("since=2026-01-01T00:00:00", "since")):
        answer = program.get(f"{JOBS}?{query}")
        assert answer.status_code == 422 and answer.json()["errors"][0]["field"] == field, answer.text


@pytest.mark.database
def test_a_job_is_found_by_its_id_or_how_that_begins(program: TestClient, house: House) -> None:
    alpha = submitted(program, name="alpha")["id"]
    other = house.organization("Elsewhere")
    stranger = house.key(user=house.person("eve@lab.test", organization=other), organization=other)
    assert names(program, f"?q={alpha}") == names(program, f"?q={alpha.upper()}") == ["alpha"]
    assert names(program, f"?q={alpha[:24]}&state=queued") == ["alpha"]
    assert names(program, f"?q={alpha}&state=stopped") == names(stranger, f"?q={alpha}") == []
    assert program.get(f"{JOBS}/count?q={alpha}").json() == {"count": 1, "exact": True}
    submitted(program, name="beta")
    assert names(program, f"?q={alpha[:8]}") == ["beta", "alpha"]
    assert names(program, f"?q={alpha[:24]}0000") == []


def test_a_private_job_is_not_found_by_its_id(house: House, program: TestClient) -> None:
    hidden = submitted(program, name="hidden", visibility="private")["id"]
    assert names(house.key(user=house.person("eve@lab.test")), f"?q={hidden}") == []
    assert names(program, f"?q={hidden}") == ["hidden"]


def test_a_name_that_looks_like_an_id_is_found_by_its_text(program: TestClient) -> None:
    submitted(program, name="job_0004")
    assert names(program, "?q=job_0004") == ["job_0004"]


@pytest.mark.database
@pytest.mark.parametrize("query", ["", "state=queued", "state=queued,stopped", "q=walk", "owner=me&pool=local"])
def test_pages_follow_one_another_without_a_gap(program: TestClient, query: str) -> None:
    made = [submitted(program, name=f"walk-{n}")["name"] for n in range(7)]
    seen: list[str] = []
    cursor = ""
    while True:
        page = program.get(f"{JOBS}?limit=3&{query}{cursor}").json()
        seen += [job["name"] for job in page["items"]]
        if page["next"] is None:
            break
        cursor = f"&cursor={page['next']}"
    assert seen == made[::-1]


def test_a_cursor_of_other_filters_is_refused(program: TestClient) -> None:
    for n in range(3):
        submitted(program, name=f"job-{n}")
    cursor = program.get(f"{JOBS}?limit=1").json()["next"]
    assert program.get(f"{JOBS}?limit=1&state=queued&cursor={cursor}").status_code == 400


def test_counts_and_totals(program: TestClient) -> None:
    for _ in range(3):
        job = submitted(program)
    program.post(f"{JOBS}/{job['id']}/stop")
    assert program.get(f"{JOBS}/count?state=queued").json() == {"count": 2, "exact": True}
    totals = program.get(f"{JOBS}/totals").json()["states"]
    assert {state: count for state, count in totals.items() if count} == {"queued": 2, "stopped": 1}


def test_a_preview_writes_nothing_and_tells_the_price_and_the_place(program: TestClient) -> None:
    seen = program.post(f"{JOBS}/preview", json={"run": "true"}).json()
    assert (seen["errors"], seen["price_per_hour"]) == ([], "0")
    assert (seen["starts_at_once"], seen["queue_position"]) == (True, None)
    submitted(program)
    seen = program.post(f"{JOBS}/preview", json={"run": "true"}).json()
    assert (seen["starts_at_once"], seen["queue_position"]) == (False, 2)
    assert len(names(program)) == 1


@pytest.mark.database
def test_a_place_is_told_behind_those_ahead_and_before_lower_priorities(
    program: TestClient, admin: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(3):
        submitted(program)
    submitted(program, priority=-5)
    assert program.post(f"{JOBS}/preview", json={"run": "true"}).json()["queue_position"] == 4
    assert submitted(program)["queue_position"] == 4
    monkeypatch.setattr("app.jobs.line.FURTHEST", 3)
    seen = program.post(f"{JOBS}/preview", json={"run": "true"}).json()
    assert (seen["starts_at_once"], seen["queue_position"]) == (False, None)
    assert "Far back in the queue" in admin.post("/jobs/preview", data={"run": "true"}).text


def test_a_preview_names_what_the_pool_can_not_honour(program: TestClient) -> None:
    seen = program.post(f"{JOBS}/preview", json={"run": "true", "image": "python:3"}).json()
    assert [error["field"] for error in seen["errors"]] == ["image"]


def test_the_same_idempotency_key_makes_one_job(program: TestClient) -> None:
    headers = {"Idempotency-Key": "once"}
    first = program.post(JOBS, json={"run": "true"}, headers=headers)
    second = program.post(JOBS, json={"run": "true"}, headers=headers)
    assert second.status_code == 201 and second.headers["Idempotency-Replayed"] == "true"
    assert first.json() == second.json() and len(names(program)) == 1


def test_events_of_a_job(program: TestClient) -> None:
    job = submitted(program)
    program.post(f"{JOBS}/{job['id']}/stop")
    events = program.get(f"{JOBS}/{job['id']}/events").json()["items"]
    assert [event["action"] for event in events] == ["job.stopped", "job.submitted"]


def test_the_pages_of_jobs(admin: TestClient) -> None:
    made = admin.post("/jobs", data={"run": "echo hello", "name": "from-form", "envs_text": "A=1"})
    assert made.status_code == 303, made.text
    page = admin.get(made.headers["Location"])
    assert page.status_code == 200 and "from-form" in page.text
    assert "from-form" in admin.get("/jobs").text
    assert "echo hello" in admin.get(f"/jobs/new?from={made.headers['Location'].rpartition('/')[2]}").text


def test_a_text_too_short_matches_nothing_on_the_page(admin: TestClient) -> None:
    admin.post("/jobs", data={"run": "echo hello", "name": "short-search"})
    page = admin.get("/jobs?q=sh")
    assert page.status_code == 200 and "A search needs three characters or more." in page.text
    assert "short-search" not in page.text and "short-search" in admin.get("/jobs?q=short").text


def test_how_much_of_a_job_is_searched_is_told(admin: TestClient) -> None:
    read = "first 4,000 characters"
    page = html.unescape(admin.get("/jobs?q=nowhere").text)
    assert f"A search reads the {read} of a job's name and commands." in page
    assert read not in admin.get("/jobs?name=nowhere").text
    parameters = admin.get("/api/v1/openapi.json").json()["paths"]["/api/v1/jobs"]["get"]["parameters"]
    assert read in next(p for p in parameters if p["name"] == "q")["description"]
    submitted(admin, name="long", run=f"{'x' * 4_000} beyond")
    assert names(admin, "?q=beyond") == [] and names(admin, "?q=xxx") == ["long"]


def test_the_page_offers_every_state_and_pool(admin: TestClient) -> None:
    page = admin.get("/jobs").text
    assert all(f'href="/jobs?state={state}"' in page for state in JobState)
    pool = admin.get("/api/v1/node-pools").json()["items"][0]
    assert '<option value="local"' in page
    assert re.search(r'<option value="local"\s+selected>', admin.get(f"/jobs?pool={pool['id']}").text)


def test_an_image_is_taken_as_a_task_writes_it(admin: TestClient) -> None:
    field = re.search(r'<input[^>]*name="image"[^>]*>', admin.get("/jobs/new").text)
    assert field and 'placeholder="python:3.12"' in field[0]
    page = admin.post("/jobs/preview", data={"run": "true", "image": "docker:python:3.12"}).text
    assert "not the name of a container image" not in page and "runs no containers" in page


def test_a_rejected_form_comes_back_with_what_was_typed(admin: TestClient) -> None:
    page = admin.post("/jobs", data={"run": "echo hello", "resources.accelerators": "H100:99"})
    assert page.status_code == 422 and "echo hello" in page.text and "at most 8 H100" in page.text

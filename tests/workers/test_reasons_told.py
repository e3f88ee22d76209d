"""The reason of a job at every moment of its life, as the API tells it while real workers move the job."""

from __future__ import annotations

import re
from typing import Any

import pytest
from starlette.testclient import TestClient

from app.jobs.models import JobState
from app.site import Site
from tests.conftest import House
from tests.jobs.rows import Home, stop, submit
from tests.workers.hands import Hands

IGNORES = "trap '' TERM; echo up; while :; do sleep 0.1; done"


@pytest.fixture
def program(house: House) -> TestClient:
    return house.key("compute:write")


def told(program: TestClient, job_id: str) -> dict[str, Any]:
    job: dict[str, Any] = program.get(f"/api/v1/jobs/{job_id}").json()
    (listed,) = (row for row in program.get("/api/v1/jobs").json()["items"] if row["id"] == job_id)
    assert (listed["state"], listed["reason"]) == (job["state"], job["reason"])
    return job


@pytest.mark.database
def test_a_job_that_runs_and_one_that_ran_say_so_and_pages_do_not(
    site: Site, home: Home, hands: Hands, program: TestClient, admin: TestClient
) -> None:
    running, done = submit(site, home, "exec sleep 600"), submit(site, home, "true")
    hands.until_ended(done)
    hands.until_state(running, JobState.RUNNING)
    assert told(program, running)["reason"] == "running in pool local"
    assert told(program, done)["reason"] == "ran to its end"
    pages = [admin.get(address).text for address in ("/jobs", f"/jobs/{running}", f"/jobs/{done}")]
    assert not any(re.search("running in pool|ran to its end", page) for page in pages)
    stop(site, home, running)
    hands.until_ended(running)


@pytest.mark.database
def test_a_job_that_is_stopped_for_its_max_duration_says_so(
    site: Site, home: Home, hands: Hands, program: TestClient, admin: TestClient
) -> None:
    job_id = submit(site, home, IGNORES, max_duration="1s", stop={"grace": "10m"})
    hands.until(lambda: hands.job(job_id).reason_code == "timing_out", "its time is over")
    job = told(program, job_id)
    why = "ran longer than its max_duration of 1s and is being stopped, has up to 10m to finish"
    assert (job["state"], job["reason"], job["attempts"][0]["state"]) == ("running", why, "stopping")
    assert [step["label"] for step in job["timeline"]] == ["Submitted", "Placed", "Started", "Told to stop"]
    assert why in admin.get("/jobs").text
    newest = program.get(f"/api/v1/jobs/{job_id}/events").json()["items"][0]
    assert (newest["action"], newest["data"]["reason"]) == ("job.stopping", why)
    stop(site, home, job_id)
    stop(site, home, job_id)
    hands.until_ended(job_id)
    assert told(program, job_id)["state"] == "failed"
    assert told(program, job_id)["reason"] == "ran longer than its max_duration of 1s"


@pytest.mark.database
def test_the_answer_to_a_stop_says_that_it_stops(site: Site, home: Home, hands: Hands, program: TestClient) -> None:
    job_id = submit(site, home, IGNORES, stop={"grace": "10m"})
    hands.until(lambda: hands.log(job_id) == "up\n", "its trap is set")
    address = f"/api/v1/jobs/{job_id}/stop"
    first, second = program.post(address), program.post(address)
    assert (first.status_code, second.status_code) == (202, 202)
    assert re.fullmatch(r"stopped by .+, has up to 10m to finish", first.json()["reason"])
    assert re.fullmatch(r"being killed, stopped a second time by .+", second.json()["reason"])
    hands.until_ended(job_id)
    assert re.fullmatch(r"stopped by .+; killed before it ended by itself", told(program, job_id)["reason"])

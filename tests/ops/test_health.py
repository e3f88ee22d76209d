"""/readyz and /metrics tell of requests, jobs, workers and the database, and of what is wrong."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import httpx2
import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import update
from starlette.testclient import TestClient

from app import migrate
from app.db import utcnow
from app.site import Site
from app.workers.loop import SILENT_AFTER, Workers
from app.workers.models import WorkerBeat
from tests.conftest import House
from tests.peers import wait_until
from tests.peers.server import Server
from tests.workers.counting import Stuck

Key = Callable[..., TestClient]
JOBS = "/api/v1/jobs"
SMALL = {"run": "true", "resources": {"cpus": 0.1, "memory": 0.1}}


def metrics(client: httpx2.Client) -> dict[tuple[str, ...], float]:
    """By name and the labels' values, which are sorted by their labels' names."""
    text = client.get("/metrics").text
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


@pytest.mark.database
def test_requests_are_counted_by_the_pattern_of_their_route(anonymous: TestClient, key: Key) -> None:
    program = key("compute:write")
    made = [program.post(JOBS, json=SMALL).json()["id"] for _ in range(2)]
    for job_id in (*made, "job_nothing"):
        program.get(f"{JOBS}/{job_id}")
    anonymous.get("/no/such/path")
    seen, pattern = metrics(anonymous), f"{JOBS}/{{id}}"
    assert seen["lattice_http_requests_total", "GET", pattern, "200"] == 2
    assert seen["lattice_http_requests_total", "GET", pattern, "404"] == 1
    assert seen["lattice_http_requests_total", "POST", JOBS, "201"] == 2
    assert seen["lattice_http_requests_total", "GET", "unmatched", "404"] == 1
    assert seen["lattice_http_request_seconds_count", pattern] == 3
    assert not any(job_id in part for job_id in made for labels in seen for part in labels)


@pytest.mark.database
def test_jobs_are_told_by_state_and_the_database_by_its_connections(anonymous: TestClient, key: Key) -> None:
    program = key("compute:write")
    first, _ = (program.post(JOBS, json=SMALL).json()["id"] for _ in range(2))
    assert metrics(anonymous)["lattice_jobs", "queued"] == 2
    program.post(f"{JOBS}/{first}/stop")
    seen = metrics(anonymous)
    assert (seen["lattice_jobs", "queued"], seen["lattice_jobs", "stopped"]) == (1, 1)
    assert seen["lattice_database_up",] == 1 and seen["lattice_database_waiting_writers",] == 0
    assert seen["lattice_database_connections", "size"] > seen["lattice_database_connections", "in_use"] >= 0


def test_a_server_with_workers_is_ready_and_tells_of_their_rounds(server: Server) -> None:
    ready = server.client().get("/readyz")
    assert (ready.status_code, ready.json()) == (200, {"status": "ready", "wrong": []})
    ages = {name[1].partition("/")[2]: age for name, age in metrics(server.client()).items() if "worker" in name[0]}
    assert ages.keys() == {"scheduler", "engine", "cleaner"} and max(ages.values()) < SILENT_AFTER


@pytest.mark.database
def test_a_worker_that_never_ends_its_first_round_is_silent_after_a_while(site: Site, anonymous: TestClient) -> None:
    stuck = Stuck("engine")
    workers = Workers(site.db, site.datadir.host_id, [stuck])
    workers.start()
    assert stuck.reaches(1) and anonymous.get("/readyz").status_code == 200
    silent_for(site, SILENT_AFTER + 1)
    answer = anonymous.get("/readyz")
    who = f"{site.datadir.host_id}/engine"
    assert (answer.status_code, answer.json()["status"]) == (503, "not ready")
    assert answer.json()["wrong"] == [f"The worker {who} has not finished a round for a minute."]
    assert metrics(anonymous)["lattice_worker_age_seconds", who] > SILENT_AFTER
    stuck.free.set()
    wait_until(lambda: anonymous.get("/readyz").status_code == 200, what="its first round")
    workers.stop()


def test_a_start_does_not_make_a_silent_worker_a_heard_one(site: Site, anonymous: TestClient) -> None:
    started = []
    for _ in range(2):
        stuck = Stuck("engine")
        workers = Workers(site.db, site.datadir.host_id, [stuck])
        workers.start()
        started.append((stuck, workers))
        assert stuck.reaches(1)
        silent_for(site, SILENT_AFTER + 1)
        workers.stop(0)
        assert anonymous.get("/readyz").status_code == 503
    for stuck, workers in started:
        stuck.free.set()
        workers.stop()


def silent_for(site: Site, seconds: float) -> None:
    with site.db.write() as db:
        db.connection().execute(update(WorkerBeat).values(at=utcnow() - timedelta(seconds=seconds)))


def test_the_workers_of_other_servers_are_theirs_to_tell_of(site: Site, anonymous: TestClient) -> None:
    with site.db.write() as db:
        db.add(WorkerBeat(name=f"{site.datadir.host_id}-2/engine", at=utcnow() - timedelta(hours=1)))
    assert anonymous.get("/readyz").status_code == 200


def test_a_schema_that_is_behind_is_not_ready(anonymous: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(migrate, "is_current", lambda _: False)
    answer = anonymous.get("/readyz")
    assert answer.status_code == 503 and "lattice server migrate" in answer.json()["wrong"][0]


def test_metrics_are_there_while_the_database_is_not(house: House, anonymous: TestClient) -> None:
    file = house.site.datadir.path.with_name("lattice.db")
    assert metrics(anonymous)["lattice_database_up",] == 1
    file.rename(file.with_name("away"))
    seen = metrics(anonymous)
    assert seen["lattice_database_up",] == 0 and not any(name == "lattice_jobs" for name, *_ in seen)
    assert anonymous.get("/readyz").status_code == 503 and anonymous.get("/healthz").status_code == 200

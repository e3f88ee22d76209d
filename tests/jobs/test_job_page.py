"""What a job's page tells beside its state: when it is expected to start, and whether its GPUs are real."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update
from starlette.testclient import TestClient

from app.db import utcnow
from app.jobs.models import JOB
from app.workers.scheduler import Scheduler
from tests.conftest import House

WHOLE = {"accelerators": "H100:8"}


@pytest.fixture
def waiting(house: House, admin: TestClient) -> str:
    """The id of a job that waits for another to end, within the hour."""
    submitted(admin, resources=WHOLE, max_duration="1h", stop={"grace": "0s"})
    Scheduler(house.site, lambda _: None).round()
    job_id = submitted(admin, resources=WHOLE)
    Scheduler(house.site, lambda _: None).round()
    return job_id


def submitted(client: TestClient, **fields: Any) -> str:
    answer = client.post("/api/v1/jobs", json={"run": "true", **fields})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def test_a_waiting_job_tells_when_it_is_expected_to_start(admin: TestClient, waiting: str) -> None:
    told = admin.get(f"/api/v1/jobs/{waiting}").json()
    page = admin.get(f"/jobs/{waiting}").text
    (moment,) = re.findall(r'<time datetime="([^"]+)"[^>]*data-due>in (?:1 h|[56]\d min)</time>', page)
    assert "expected to start <time" in page
    assert moment[:19] == told["estimated_start_at"][:19]
    assert "Start estimated" in page


def test_a_start_that_has_passed_is_not_promised(house: House, admin: TestClient, waiting: str) -> None:
    with house.site.db.write() as db:
        past = update(JOB).where(JOB.c.id == waiting).values(estimated_start_at=utcnow() - timedelta(seconds=1))
        db.connection().execute(past)
    assert "expected to start" not in admin.get(f"/jobs/{waiting}").text


def test_a_job_that_is_not_queued_has_no_start_to_expect(admin: TestClient, waiting: str) -> None:
    admin.post(f"/api/v1/jobs/{waiting}/stop")
    assert "expected to start" not in admin.get(f"/jobs/{waiting}").text


def test_a_preview_tells_it_of_who_would_be_next(house: House, admin: TestClient) -> None:
    submitted(admin, resources=WHOLE, max_duration="1h", stop={"grace": "0s"})
    Scheduler(house.site, lambda _: None).round()
    fields = {"run": "true", "resources.accelerators": "H100:8"}
    preview = admin.post("/api/v1/jobs/preview", json={"run": "true", "resources": WHOLE}).json()
    assert (preview["starts_at_once"], preview["queue_position"]) == (False, 1) and preview["estimated_start_at"]
    assert re.search(
        r"Expected start</dt>\s*<dd>\s*<time[^>]*>in (?:1 h|[56]\d min)<", admin.post("/jobs/preview", data=fields).text
    )
    submitted(admin, resources=WHOLE)
    behind = admin.post("/api/v1/jobs/preview", json={"run": "true", "resources": WHOLE}).json()
    assert (behind["queue_position"], behind["estimated_start_at"]) == (2, None)


def test_fake_gpus_are_called_so(admin: TestClient) -> None:
    with_gpus, without = submitted(admin, resources=WHOLE), submitted(admin)
    assert "fake, for demonstration" in admin.get(f"/jobs/{with_gpus}").text
    assert "fake, for demonstration" not in admin.get(f"/jobs/{without}").text

"""Jobs with logs, without workers: an attempt as the scheduler makes it, and what its log holds."""

from __future__ import annotations

from sqlalchemy import update
from starlette.testclient import TestClient

from app.db import utcnow
from app.jobs.models import ATTEMPT, JOB, LOG, JobState
from app.jobs.queries import log_state
from app.site import Site
from app.stores.logs import LogState
from app.workers.scheduler import Scheduler

JOBS = "/api/v1/jobs"
LINES = b"".join(b"line %d\n" % n for n in range(100))


def placed(site: Site, client: TestClient) -> str:
    """A job with an attempt, as the scheduler makes it."""
    job_id: str = client.post(JOBS, json={"run": "true", "resources": {"cpus": 0.1, "memory": 0.1}}).json()["id"]
    Scheduler(site, lambda _: None).round()
    return job_id


def keep(site: Site, job_id: str, state: LogState) -> None:
    values = {"size": state.size, "cut_from": state.cut_from, "cut_to": state.cut_to}
    with site.db.write() as db:
        db.connection().execute(update(LOG).where(LOG.c.job_id == job_id).values(values))
        db.connection().execute(update(ATTEMPT).where(ATTEMPT.c.job_id == job_id).values(log_collected=state.size))


def write(site: Site, job_id: str, data: bytes) -> None:
    with site.db.read() as db:
        state = log_state(db, job_id)
    keep(site, job_id, site.logs.append(job_id, state, data))


def end(site: Site, job_id: str) -> None:
    with site.db.write() as db:
        ended = {"state": JobState.SUCCEEDED, "finished_at": utcnow()}
        db.connection().execute(update(JOB).where(JOB.c.id == job_id).values(ended))

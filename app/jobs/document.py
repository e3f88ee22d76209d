"""A job's specification as it is today: what was submitted, with what was changed since, which its row says."""

from __future__ import annotations

from typing import Any

import orjson
from sqlalchemy import select, update
from sqlmodel import Session

from app.jobs.models import DOCUMENT, Job, Visibility
from app.jobs.search import searchable


def spec_of(db: Session, job: Job) -> dict[str, Any]:
    """The stored form (`spec.to_spec`), with today's name, priority, and who may see the job."""
    today = {
        "name": job.name,
        "priority": job.priority or None,
        "visibility": None if job.visibility is Visibility.ORGANIZATION else job.visibility.value,
        "team": job.team_id,
    }
    spec = {**_submitted(db, job.id), **today}
    return {name: value for name, value in spec.items() if name not in today or value is not None}


def rename(db: Session, job: Job) -> None:
    """Let search find the job by its new name."""
    spec = _submitted(db, job.id)
    text = searchable(job.name, spec["run"], spec.get("setup"))
    db.connection().execute(update(DOCUMENT).where(DOCUMENT.c.job_id == job.id).values(text=text))


def _submitted(db: Session, job_id: str) -> dict[str, Any]:
    spec: dict[str, Any] = orjson.loads(
        db.execute(select(DOCUMENT.c.spec).where(DOCUMENT.c.job_id == job_id)).scalar_one()
    )
    return spec

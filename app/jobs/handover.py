"""Unfinished jobs of somebody who leaves get another owner, who can stop them. Finished ones stay theirs."""

from __future__ import annotations

from sqlalchemy import update
from sqlmodel import Session

from app.events import record
from app.jobs.models import JOB, Visibility
from app.jobs.states import FINAL
from app.web.ask import Actor


def hand_over(db: Session, organization_id: str, *, giver: str, heir: str, heir_name: str, by: Actor) -> int:
    """Make `heir` the owner of every unfinished job of `giver` there; returns how many there were."""
    unfinished = (JOB.c.organization_id == organization_id, JOB.c.owner_id == giver, JOB.c.state.not_in(FINAL))
    told = (JOB.c.id, JOB.c.name, JOB.c.visibility, JOB.c.team_id)
    moved = db.connection().execute(update(JOB).where(*unfinished).values(owner_id=heir).returning(*told)).all()
    for job in moved:
        record(
            db, by, "job.handed_over", subject_id=job.id, subject_name=job.name,
            private_to=None if job.visibility is Visibility.ORGANIZATION else heir, shared_with=job.team_id,
            data={"from": giver, "to": heir, "reason": f"now {heir_name}'s"},
        )  # fmt: skip
    return len(moved)

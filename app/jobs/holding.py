"""Lock jobs for the rest of a transaction and read of them what a move needs. Every move begins here."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Select, select
from sqlmodel import Session

from app.jobs.models import JOB
from app.jobs.states import HELD, HeldJob

_AT_ONCE = 500  # ids in one statement


def hold(db: Session, job_ids: Iterable[str]) -> dict[str, HeldJob]:
    """Those jobs by id, locked in one fixed order so that two writers never wait crosswise. Unknown ids are absent."""
    held: dict[str, HeldJob] = {}
    ids = sorted(set(job_ids))
    for start in range(0, len(ids), _AT_ONCE):
        for row in db.execute(_locking(ids[start : start + _AT_ONCE])):
            held[row.id] = HeldJob.of(row)
    return held


def _locking(ids: list[str]) -> Select[Any]:
    return select(*HELD).where(JOB.c.id.in_(ids)).order_by(JOB.c.id).with_for_update()

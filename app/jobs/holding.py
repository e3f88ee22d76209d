"""Lock jobs for the rest of a transaction and read of them what a move needs. Every move begins here."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Row, Select, select
from sqlmodel import Session

from app.jobs.models import JOB, Visibility
from app.jobs.states import HeldJob

_AT_ONCE = 500  # ids in one statement
_COLUMNS = (JOB.c.id, JOB.c.organization_id, JOB.c.pool_id, JOB.c.owner_id, JOB.c.name, JOB.c.state, JOB.c.visibility)


def hold(db: Session, job_ids: Iterable[str]) -> dict[str, HeldJob]:
    """Those jobs by id, locked in one fixed order so that two writers never wait crosswise. Unknown ids are absent."""
    held: dict[str, HeldJob] = {}
    ids = sorted(set(job_ids))
    for start in range(0, len(ids), _AT_ONCE):
        for row in db.execute(_locking(ids[start : start + _AT_ONCE])):
            held[row.id] = _held(row)
    return held


def _locking(ids: list[str]) -> Select[Any]:
    return select(*_COLUMNS).where(JOB.c.id.in_(ids)).order_by(JOB.c.id).with_for_update()


def _held(row: Row[Any]) -> HeldJob:
    return HeldJob(
        id=row.id, organization_id=row.organization_id, pool_id=row.pool_id, owner_id=row.owner_id, name=row.name,
        state=row.state, is_private=row.visibility is Visibility.PRIVATE,
    )  # fmt: skip

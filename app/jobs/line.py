"""Where queued jobs stand in line. Computed when read: a stored position would have to be rewritten at every change."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from sqlalchemy import ColumnElement, Row, and_, func, or_, select
from sqlmodel import Session

from app.jobs.models import JOB, JobState

FURTHEST = 10_000  # a position past this one is not counted out: None


def positions(db: Session, rows: Iterable[Row[Any]]) -> dict[str, int]:
    """Id → position (1 is next) of those rows that are queued. Each pool and priority is counted in two statements."""
    lines: dict[tuple[str, int], list[Row[Any]]] = defaultdict(list)
    for row in rows:
        if row.state is JobState.QUEUED:
            lines[row.pool_id, row.queue_rank].append(row)
    found: dict[str, int] = {}
    for line in lines.values():
        found.update(_positions_in_line(db, sorted(line, key=lambda row: str(row.id))))
    return found


def count_ahead(db: Session, organization_id: str, pool_id: str, priority: int) -> int:
    """How many queued jobs a new one of that priority would find in front of it, FURTHEST at most."""
    ahead = select(JOB.c.id).where(
        JOB.c.organization_id == organization_id, JOB.c.pool_id == pool_id, JOB.c.state == JobState.QUEUED,
        JOB.c.queue_rank <= -priority,
    )  # fmt: skip
    return int(db.execute(select(func.count()).select_from(ahead.limit(FURTHEST).subquery())).scalar_one())


def _positions_in_line(db: Session, line: list[Row[Any]]) -> dict[str, int]:
    first, last = line[0], line[-1]
    ahead = _count_ahead(db, first)
    if ahead >= FURTHEST:
        return {}
    if len(line) == 1:
        return {first.id: ahead + 1}
    wanted = {row.id for row in line}
    between = and_(_queued_with(first), JOB.c.queue_rank == first.queue_rank, JOB.c.id.between(first.id, last.id))
    ids = db.execute(select(JOB.c.id).where(between).order_by(JOB.c.id).limit(FURTHEST - ahead)).scalars()
    return {job_id: ahead + place for place, job_id in enumerate(ids, 1) if job_id in wanted}


def _count_ahead(db: Session, row: Row[Any]) -> int:
    sooner = or_(JOB.c.queue_rank < row.queue_rank, and_(JOB.c.queue_rank == row.queue_rank, JOB.c.id < row.id))
    ahead = select(JOB.c.id).where(_queued_with(row), sooner).limit(FURTHEST)
    return int(db.execute(select(func.count()).select_from(ahead.subquery())).scalar_one())


def _queued_with(row: Row[Any]) -> ColumnElement[bool]:
    return and_(
        JOB.c.organization_id == row.organization_id, JOB.c.pool_id == row.pool_id, JOB.c.state == JobState.QUEUED
    )

"""Where queued jobs stand in line. Computed when read: a stored position would have to be rewritten at every change."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Integer,
    Row,
    Select,
    String,
    and_,
    bindparam,
    exists,
    func,
    select,
    tuple_,
)
from sqlmodel import Session

from app.jobs.models import IS_QUEUED, JOB, TOTAL, JobState

FURTHEST = 2_000  # a position past this one is not counted out: None

_QUEUED = and_(
    JOB.c.organization_id == bindparam("organization"), JOB.c.pool_id == bindparam("pool"),
    IS_QUEUED,
)  # fmt: skip
_RANK: BindParameter[int] = bindparam("rank", type_=Integer)
_SOONER = tuple_(JOB.c.queue_rank, JOB.c.id) < tuple_(_RANK, bindparam("id", type_=String))


def _counted(*sooner: ColumnElement[bool]) -> Select[Any]:
    return select(func.count()).select_from(select(JOB.c.id).where(_QUEUED, *sooner).limit(FURTHEST).subquery())


_AHEAD = _counted(_SOONER)
_AHEAD_OF_NEW = _counted(JOB.c.queue_rank <= _RANK)
_END = select(
    select(TOTAL.c.count)
    .where(
        TOTAL.c.organization_id == bindparam("organization"), TOTAL.c.pool_id == bindparam("pool"),
        TOTAL.c.state == JobState.QUEUED,
    )
    .scalar_subquery(),
    ~exists().where(_QUEUED, JOB.c.queue_rank > _RANK),
)  # fmt: skip
_BETWEEN = (
    select(JOB.c.id)
    .where(_QUEUED, JOB.c.queue_rank == _RANK, JOB.c.id.between(bindparam("id"), bindparam("last")))
    .order_by(JOB.c.id)
    .limit(FURTHEST)
)


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
    """How many queued jobs a new one of that priority would find in front of it, FURTHEST at most.

    Mostly it would be the last, and then the total says it: counting a long line costs more than all else of a submit.
    """
    place = {"organization": organization_id, "pool": pool_id, "rank": -priority}
    connection = db.connection()
    total, is_last = connection.execute(_END, place).one()
    return min(int(total or 0), FURTHEST) if is_last else int(connection.execute(_AHEAD_OF_NEW, place).scalar_one())


def _positions_in_line(db: Session, line: list[Row[Any]]) -> dict[str, int]:
    first, last = line[0], line[-1]
    place = {
        "organization": first.organization_id, "pool": first.pool_id, "rank": first.queue_rank, "id": first.id,
        "last": last.id,
    }  # fmt: skip
    connection = db.connection()
    ahead = int(connection.execute(_AHEAD, place).scalar_one())
    if ahead >= FURTHEST:
        return {}
    if len(line) == 1:
        return {first.id: ahead + 1}
    wanted = {row.id for row in line}
    ids = connection.execute(_BETWEEN, place).scalars()
    return {job_id: ahead + place for place, job_id in enumerate(ids, 1) if job_id in wanted}

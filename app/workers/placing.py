"""Apply a scheduler's plan: attempts for the placed, reasons and estimates for the waiting where they changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import orjson
from sqlalchemy import Row, bindparam, insert, select, text, update
from sqlmodel import Session

from app.db import new_id
from app.engines.protocol import Phase
from app.jobs.accounting import taken
from app.jobs.models import ATTEMPT, JOB, LOG, JobState
from app.jobs.needs import Needs
from app.jobs.new_row import FIRST_REASONS
from app.jobs.placement import Placement, Plan
from app.jobs.reasons import Reason, ReasonCode
from app.jobs.states import HELD, HeldJob, Move, move
from app.pools.models import NodePool
from app.pools.shares import dump_shares
from app.web.ask import Actor

MOVED_BY = timedelta(seconds=60)  # an estimate is stored anew when it moved by more than this

_AT_ONCE = 500
_LOCKED = (*HELD, JOB.c.needs, JOB.c.attempt_number)
_NEW_LOG = text(
    "INSERT INTO job_log (job_id, organization_id, size, cut_from, cut_to) VALUES (:job, :organization, 0, 0, 0) "
    "ON CONFLICT (job_id) DO NOTHING"
)


@dataclass(frozen=True, slots=True)
class Placing:
    """What there is to apply."""

    placements: Mapping[str, Placement]
    reasons: Mapping[str, Reason]
    starts: Mapping[str, datetime | None]

    def __bool__(self) -> bool:
        return bool(self.placements or self.reasons or self.starts)

    @classmethod
    def of(cls, queue: Sequence[Row[Any]], made: Plan) -> Placing:
        """Of the plan, what differs from the rows."""
        waiting = [row for row in queue if row.id in made.reasons]
        return cls(
            placements=made.placements,
            reasons={row.id: made.reasons[row.id] for row in waiting if _differs(row, made.reasons[row.id])},
            starts={row.id: made.starts.get(row.id) for row in waiting if _moved(row, made.starts.get(row.id))},
        )


def _differs(row: Row[Any], reason: Reason) -> bool:
    return bool(row.reason_code != reason.code or row.reason_args != _dump(reason))


def _moved(row: Row[Any], start: datetime | None) -> bool:
    if start is None or row.estimated_start_at is None:
        return start is not row.estimated_start_at
    return bool(abs(start - row.estimated_start_at) > MOVED_BY)


def place(db: Session, pool: NodePool, placing: Placing, now: datetime) -> int:
    """Write it, for jobs that are still queued; how many were placed. The caller has checked its lease."""
    starting = _lock(db, list(placing.placements))
    if starting:
        move(db, _start(db, pool, starting, placing.placements, now), now)
    _explain(db, placing, now)
    return len(starting)


def tell_shut(db: Session, pool: NodePool) -> None:
    """Give every queued job of a pool that takes none now the reason for it."""
    code = FIRST_REASONS[pool.state].value
    waiting = update(JOB).where(
        JOB.c.organization_id == pool.organization_id, JOB.c.pool_id == pool.id, JOB.c.state == JobState.QUEUED,
        JOB.c.reason_code != code,
    )  # fmt: skip
    shut = {"reason_code": code, "reason_args": "{}", "estimated_start_at": None, "estimated_at": None}
    db.connection().execute(waiting.values(shut))


def _lock(db: Session, job_ids: Sequence[str]) -> list[Row[Any]]:
    """Those of the jobs that are queued and not told to stop, locked."""
    rows: list[Row[Any]] = []
    ids = sorted(job_ids)
    for begin in range(0, len(ids), _AT_ONCE):
        locked = select(*_LOCKED).where(
            JOB.c.id.in_(ids[begin : begin + _AT_ONCE]), JOB.c.state == JobState.QUEUED,
            JOB.c.stop_requested_at.is_(None),
        )  # fmt: skip
        rows += db.execute(locked.order_by(JOB.c.id).with_for_update())
    return rows


def _start(
    db: Session, pool: NodePool, rows: list[Row[Any]], placements: Mapping[str, Placement], now: datetime
) -> list[Move]:
    log_starts = _log_sizes(db, [row.id for row in rows if row.attempt_number])
    attempts = [_attempt(pool, row, placements[row.id], log_starts.get(row.id, 0), now) for row in rows]
    db.connection().execute(insert(ATTEMPT), attempts)
    db.connection().execute(_NEW_LOG, [{"job": row.id, "organization": row.organization_id} for row in rows])
    return [_starting(row, attempt, placements[row.id]) for row, attempt in zip(rows, attempts, strict=True)]


def _log_sizes(db: Session, job_ids: Sequence[str]) -> dict[str, int]:
    """How far the logs of earlier attempts reach: a further attempt's begins there."""
    if not job_ids:
        return {}
    reached = select(LOG.c.job_id, LOG.c.size).where(LOG.c.job_id.in_(job_ids))
    return {row.job_id: row.size for row in db.execute(reached)}


def _attempt(pool: NodePool, row: Row[Any], placed: Placement, log_start: int, now: datetime) -> dict[str, Any]:
    held = taken(placed.shares)
    return {
        "id": new_id("att"), "organization_id": row.organization_id, "job_id": row.id, "pool_id": pool.id,
        "number": (row.attempt_number or 0) + 1, "phase": Phase.PENDING, "isolation": pool.isolation,
        "shares": dump_shares(placed.shares), "cpu_tenths": held.cpu_tenths, "memory_tenths": held.memory_tenths,
        "gpus": held.gpus, "created_at": now, "detail": "", "stop_hastened": False, "log_start": log_start,
        "log_collected": 0,
    }  # fmt: skip


def _starting(row: Row[Any], attempt: dict[str, Any], placed: Placement) -> Move:
    chosen = Needs.load(row.needs).alternatives[placed.alternative]
    nodes = len(placed.shares)
    return Move(
        job=HeldJob.of(row), to=JobState.STARTING, by=Actor.system(row.organization_id),
        reason=Reason(ReasonCode.STARTING, {"node": placed.shares[0].node, "num_nodes": nodes}),
        columns={
            "attempt_id": attempt["id"], "attempt_number": attempt["number"], "cpu_tenths": chosen.cpu_tenths,
            "memory_tenths": chosen.memory_tenths, "accelerators": chosen.accelerators, "not_before": None,
            "estimated_start_at": None, "estimated_at": None,
        },
        data={"attempt": attempt["number"]},
    )  # fmt: skip


def _explain(db: Session, placing: Placing, now: datetime) -> None:
    """Only rows that are still queued: one that was stopped meanwhile keeps its own reason."""
    explained = [
        {"b_id": job_id, "reason_code": reason.code, "reason_args": _dump(reason)}
        for job_id, reason in sorted(placing.reasons.items())
    ]
    _update_queued(db, ("reason_code", "reason_args"), explained)
    estimated = [
        {"b_id": job_id, "estimated_start_at": start, "estimated_at": now if start else None}
        for job_id, start in sorted(placing.starts.items())
    ]
    _update_queued(db, ("estimated_start_at", "estimated_at"), estimated)


def _update_queued(db: Session, names: tuple[str, ...], rows: list[dict[str, Any]]) -> None:
    if rows:
        values: dict[str, Any] = {name: bindparam(name) for name in names}
        queued = update(JOB).where(JOB.c.id == bindparam("b_id"), JOB.c.state == JobState.QUEUED)
        db.connection().execute(queued.values(values), rows)


def _dump(reason: Reason) -> str:
    return orjson.dumps(reason.args).decode()

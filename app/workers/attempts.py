"""Open attempts of a pool as its reconciler reads them, once a round, and the changes that a round makes to them."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, bindparam, select, update
from sqlmodel import Session

from app.engines.protocol import EndCause, Observation, Phase, Signal
from app.jobs.models import ATTEMPT, JOB, LOG, JobState
from app.pools.models import POOL
from app.pools.shares import load_shares
from app.stores.logs import LogState


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenAttempt:
    """An attempt that is not closed, with what its job says of stopping, and how far its job's log is stored."""

    id: str
    job_id: str
    number: int
    phase: Phase
    handle: str | None
    started_at: datetime | None
    finished_at: datetime | None
    exit_code: int | None
    signal: int | None
    cause: EndCause | None
    detail: str
    stop_sent_at: datetime | None
    stop_hastened: bool
    log_collected: int
    log_start: int
    shares: str
    job_state: JobState
    reason_code: str | None
    stop_requested_at: datetime | None
    stop_by: str | None
    stop_at_once: bool
    stop_signal: Signal
    stop_grace: float
    max_duration: float | None
    memory_tenths: int
    log_limit: int  # its pool's
    log: LogState

    @property
    def has_ended(self) -> bool:
        return self.finished_at is not None

    @property
    def first_node(self) -> str | None:
        """Where its first share is."""
        shares = load_shares(self.shares)
        return shares[0].node if shares else None

    @property
    def last_seen(self) -> Observation:
        """What the row keeps of the end."""
        return Observation(
            phase=self.phase, started_at=self.started_at, finished_at=self.finished_at, exit_code=self.exit_code,
            signal=self.signal, cause=self.cause, detail=self.detail,
        )  # fmt: skip


_ATTEMPT_COLUMNS = (
    "id", "job_id", "number", "phase", "handle", "started_at", "finished_at", "exit_code", "signal", "cause",
    "detail", "stop_sent_at", "stop_hastened", "log_collected", "log_start",
    "shares",
)  # fmt: skip
_JOB_COLUMNS = (
    "reason_code", "stop_requested_at", "stop_by", "stop_at_once", "stop_signal", "stop_grace", "max_duration",
    "memory_tenths",
)  # fmt: skip
_OPEN = (
    select(
        *(ATTEMPT.c[name] for name in _ATTEMPT_COLUMNS), *(JOB.c[name] for name in _JOB_COLUMNS),
        JOB.c.state.label("job_state"), LOG.c.size, LOG.c.cut_from, LOG.c.cut_to, POOL.c.log_limit,
    )
    .select_from(
        ATTEMPT.join(JOB, JOB.c.id == ATTEMPT.c.job_id)
        .join(LOG, LOG.c.job_id == ATTEMPT.c.job_id)
        .join(POOL, POOL.c.id == ATTEMPT.c.pool_id)
    )
    .where(
        ATTEMPT.c.organization_id == bindparam("organization"), ATTEMPT.c.pool_id == bindparam("pool"),
        ATTEMPT.c.closed_at.is_(None),
    )
    .order_by(ATTEMPT.c.id)
)  # fmt: skip


def open_attempts(db: Session, organization_id: str, pool_id: str) -> list[OpenAttempt]:
    rows = db.execute(_OPEN, {"organization": organization_id, "pool": pool_id})
    return [_attempt(row) for row in rows]


def _attempt(row: Row[Any]) -> OpenAttempt:
    values = {name: getattr(row, name) for name in (*_ATTEMPT_COLUMNS, *_JOB_COLUMNS, "job_state", "log_limit")}
    return OpenAttempt(**values, log=LogState(row.size, row.cut_from, row.cut_to))


class Changes:
    """Columns to set, attempt by attempt and log by log, gathered during a round and written together at its end."""

    def __init__(self) -> None:
        self.attempts: dict[str, dict[str, Any]] = defaultdict(dict)
        self.logs: dict[str, LogState] = {}

    def __bool__(self) -> bool:
        return bool(self.attempts or self.logs)

    def set(self, attempt: OpenAttempt, **columns: Any) -> None:
        self.attempts[attempt.id].update(columns)

    def write(self, db: Session) -> None:
        groups: dict[tuple[str, ...], list[dict[str, Any]]] = defaultdict(list)
        for attempt_id, columns in sorted(self.attempts.items()):
            groups[tuple(sorted(columns))].append({**columns, "b_id": attempt_id})
        for names, rows in groups.items():
            values: dict[str, Any] = {name: bindparam(name) for name in names}
            db.connection().execute(update(ATTEMPT).where(ATTEMPT.c.id == bindparam("b_id")).values(values), rows)
        if self.logs:
            reached = [
                {"b_job": job_id, "size": log.size, "cut_from": log.cut_from, "cut_to": log.cut_to}
                for job_id, log in sorted(self.logs.items())
            ]
            values = {name: bindparam(name) for name in ("size", "cut_from", "cut_to")}
            db.connection().execute(update(LOG).where(LOG.c.job_id == bindparam("b_job")).values(values), reached)

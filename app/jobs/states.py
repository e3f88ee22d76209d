"""The states of a job, the moves between them, and the one function that makes a move.

A move writes the row, the totals and the event in the caller's transaction. Nothing else writes `job.state`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import Row, bindparam, text, update
from sqlmodel import Session

from app.events import record
from app.jobs.models import JOB, JobState, Visibility
from app.jobs.reasons import Reason
from app.web.ask import Actor

S = JobState

MOVES: Mapping[JobState, frozenset[JobState]] = {
    S.QUEUED: frozenset({S.STARTING, S.STOPPED, S.FAILED}),
    S.STARTING: frozenset({S.RUNNING, S.STOPPING, S.QUEUED, S.SUCCEEDED, S.FAILED, S.STOPPED}),
    S.RUNNING: frozenset({S.STOPPING, S.QUEUED, S.SUCCEEDED, S.FAILED, S.STOPPED}),
    S.STOPPING: frozenset({S.SUCCEEDED, S.FAILED, S.STOPPED}),
    S.SUCCEEDED: frozenset(),
    S.FAILED: frozenset(),
    S.STOPPED: frozenset(),
}
FINAL = frozenset(state for state, onward in MOVES.items() if not onward)
ACTIVE = frozenset({S.STARTING, S.RUNNING, S.STOPPING})

ACTIONS: Mapping[JobState, str] = {
    S.QUEUED: "job.requeued", S.STARTING: "job.starting", S.RUNNING: "job.started", S.STOPPING: "job.stopping",
    S.SUCCEEDED: "job.succeeded", S.FAILED: "job.failed", S.STOPPED: "job.stopped",
}  # fmt: skip

_ADD_TO_TOTAL = text(
    "INSERT INTO job_total (organization_id, pool_id, state, count) VALUES (:organization, :pool, :state, :delta) "
    "ON CONFLICT (organization_id, pool_id, state) DO UPDATE SET count = job_total.count + excluded.count"
)


class IllegalMove(Exception):
    """The state machine has no such move, or the job is not in the state it was thought to be in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldJob:
    """The part of a job's row that a move needs, read in the transaction that makes the move."""

    id: str
    organization_id: str
    pool_id: str
    owner_id: str
    name: str
    state: JobState
    is_private: bool
    shared_with: str | None = None

    @classmethod
    def of(cls, row: Row[Any]) -> HeldJob:
        """From a row that has `HELD` among its columns."""
        return cls(
            id=row.id, organization_id=row.organization_id, pool_id=row.pool_id, owner_id=row.owner_id,
            name=row.name, state=row.state, is_private=row.visibility is not Visibility.ORGANIZATION,
            shared_with=row.team_id,
        )  # fmt: skip


HELD = (
    JOB.c.id, JOB.c.organization_id, JOB.c.pool_id, JOB.c.owner_id, JOB.c.name, JOB.c.state, JOB.c.visibility,
    JOB.c.team_id,
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """One job's step to the state `to`; `columns` are set in the same statement."""

    job: HeldJob
    to: JobState
    by: Actor
    reason: Reason | None = None
    columns: Mapping[str, Any] = field(default_factory=dict)
    data: Mapping[str, Any] = field(default_factory=dict)  # for the event


def move(db: Session, moves: Move | Sequence[Move], at: datetime) -> None:
    """Make the moves, all or none. Raises IllegalMove for one that the table does not have, or a job that moved."""
    steps = (moves,) if isinstance(moves, Move) else moves
    for step in steps:
        if step.to not in MOVES[step.job.state]:
            raise IllegalMove(f"{step.job.id} can't go from {step.job.state} to {step.to}")
    for rows in _alike(steps, at):
        _update(db, rows)
    count(db, _changes(steps))
    for step in steps:
        _record(db, step, at)


def count(db: Session, changes: Mapping[tuple[str, str, JobState], int]) -> None:
    """Add to the totals of (organization, pool, state), in a fixed order so that two writers never wait crosswise."""
    rows = [
        {"organization": organization, "pool": pool, "state": state.value, "delta": delta}
        for (organization, pool, state), delta in sorted(changes.items())
        if delta
    ]
    if rows:
        db.connection().execute(_ADD_TO_TOTAL, rows)


def _changes(steps: Iterable[Move]) -> Counter[tuple[str, str, JobState]]:
    changes: Counter[tuple[str, str, JobState]] = Counter()
    for step in steps:
        changes[step.job.organization_id, step.job.pool_id, step.job.state] -= 1
        changes[step.job.organization_id, step.job.pool_id, step.to] += 1
    return changes


def _alike(steps: Iterable[Move], at: datetime) -> Iterable[list[dict[str, Any]]]:
    """The rows to update, grouped by the columns that they set: each group is one statement."""
    groups: dict[tuple[str, ...], list[dict[str, Any]]] = defaultdict(list)
    for step in steps:
        row = {
            "reason_code": step.reason.code if step.reason else None,
            "reason_args": orjson.dumps(step.reason.args).decode() if step.reason else "{}",
            "state": step.to,
            **({"finished_at": at} if step.to in FINAL else {}),
            **step.columns,
        }
        groups[tuple(sorted(row))].append({**row, "b_id": step.job.id, "b_from": step.job.state})
    return groups.values()


def _update(db: Session, rows: list[dict[str, Any]]) -> None:
    values: dict[str, Any] = {name: bindparam(name) for name in rows[0] if not name.startswith("b_")}
    statement = update(JOB).where(JOB.c.id == bindparam("b_id"), JOB.c.state == bindparam("b_from"))
    result = db.connection().execute(statement.values(values), rows)
    if result.rowcount != len(rows):
        raise IllegalMove(f"{len(rows) - result.rowcount} of {len(rows)} jobs were in another state")


def _record(db: Session, step: Move, at: datetime) -> None:
    reason = {"reason": step.reason.sentence()} if step.reason else {}
    record(
        db, step.by, ACTIONS[step.to], subject_id=step.job.id, subject_name=step.job.name, at=at,
        private_to=step.job.owner_id if step.job.is_private else None, shared_with=step.job.shared_with,
        data={**reason, **step.data},
    )  # fmt: skip

"""What one round of a reconciler found out, gathered without a transaction and applied in one.

For each job there is one move at most: the furthest that the round saw.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import bindparam, func, select, update
from sqlmodel import Session

from app.accounts.models import User
from app.engines.protocol import EndCause, Observation, Phase, StopReason
from app.events import record
from app.jobs.holding import hold
from app.jobs.models import ATTEMPT, DOCUMENT, JOB, JobState
from app.jobs.reasons import EX_TEMPFAIL, EndFacts, Reason, ReasonCode
from app.jobs.resource_spec import JobRecovery
from app.jobs.states import FINAL, HeldJob, Move, move
from app.web.ask import Actor
from app.workers.attempts import Changes, OpenAttempt
from app.workers.collector import Collected
from app.workers.endings import Ending, Next, what_follows

ENDED = (Phase.ENDED, Phase.LOST)
UNASKED = (ReasonCode.TIMING_OUT, ReasonCode.STOPPED_BY_FULL_DISK)


class Outcome:
    """`more_to_do`: a bound was reached, the next round should begin at once. `frees_room`: the scheduler may place."""

    def __init__(self, now: datetime) -> None:
        self.now = now
        self.more_to_do = False
        self.frees_room = False
        self._changes = Changes()
        self._reasons: dict[str, Reason | None] = {}  # of jobs that stay in their state
        self._running: dict[str, datetime | None] = {}  # job → its start
        self._stopping: dict[str, OpenAttempt] = {}
        self._closing: list[tuple[OpenAttempt, Observation]] = []

    @property
    def is_news(self) -> bool:
        return bool(self._changes or self._reasons or self._running or self._stopping or self._closing)

    def began(self, attempt: OpenAttempt, handle: str) -> None:
        self._changes.set(attempt, handle=handle)

    def never_began(self, attempt: OpenAttempt) -> None:
        """A stop came before the engine knew of it."""
        self._end(attempt, Observation(phase=Phase.ENDED, cause=EndCause.STOPPED), closed=True)

    def refused(self, attempt: OpenAttempt, detail: str) -> None:
        """The engine will never start it."""
        seen = Observation(phase=Phase.ENDED, cause=EndCause.NOT_STARTED, detail=detail)
        self._end(attempt, seen, closed=True)

    def not_yet(self, attempt: OpenAttempt, detail: str) -> None:
        """The engine could not start it now; it is tried again."""
        self._reasons[attempt.job_id] = Reason(ReasonCode.NOT_STARTED, {"detail": f"{detail}; it is tried again"})

    def stop_passed(self, attempt: OpenAttempt) -> None:
        sent_at = attempt.stop_sent_at or self.now
        self._changes.set(attempt, stop_sent_at=sent_at, stop_hastened=attempt.stop_at_once)
        self._stopping[attempt.job_id] = attempt

    def observed(self, attempt: OpenAttempt, seen: Observation, collected: Collected | None) -> None:
        if collected is not None and collected.is_news(attempt):
            self._changes.set(attempt, log_collected=collected.reached)
            self._changes.logs[attempt.job_id] = collected.log
        self._tell_of_log(attempt, collected, has_ended=seen.phase in ENDED)
        self._tell_of_stop(attempt, seen)
        if seen.phase in ENDED:
            closed = collected is not None and collected.complete
            if closed or not attempt.has_ended:
                self._end(attempt, seen, closed=closed)
        elif seen.phase is not attempt.phase or (seen.started_at and attempt.started_at is None):
            self._changes.set(attempt, phase=seen.phase, started_at=seen.started_at)
        if seen.started_at is not None and attempt.job_state is JobState.STARTING:
            self._running[attempt.job_id] = seen.started_at

    def _tell_of_log(self, attempt: OpenAttempt, collected: Collected | None, *, has_ended: bool) -> None:
        """Say of a job that its log can't be stored, and no longer once it can."""
        is_told = attempt.reason_code == ReasonCode.LOG_WAITS
        waits = collected.waits if collected else ""
        if waits and not is_told and (has_ended or attempt.job_state is JobState.RUNNING):
            self._reasons[attempt.job_id] = Reason(ReasonCode.LOG_WAITS, {"detail": waits})
        elif is_told and collected is not None and not waits:
            self._reasons[attempt.job_id] = None

    def _tell_of_stop(self, attempt: OpenAttempt, seen: Observation) -> None:
        """Say of a job that it is being stopped though nobody asked for that."""
        if seen.phase is not Phase.STOPPING or attempt.stop_requested_at or attempt.reason_code is not None:
            return
        if seen.cause is EndCause.TIMED_OUT:
            args = {"max_duration": attempt.max_duration, "grace": attempt.stop_grace}
            self._reasons[attempt.job_id] = Reason(ReasonCode.TIMING_OUT, args)
        elif seen.cause is EndCause.DISK_FULL:
            self._reasons[attempt.job_id] = Reason(ReasonCode.STOPPED_BY_FULL_DISK, {"grace": attempt.stop_grace})

    def _end(self, attempt: OpenAttempt, seen: Observation, *, closed: bool) -> None:
        began = seen.started_at or attempt.started_at  # an engine that lost it does not know any more
        seen = replace(seen, started_at=began, finished_at=seen.finished_at or self.now)
        self._changes.set(
            attempt, phase=seen.phase, started_at=seen.started_at, finished_at=seen.finished_at,
            exit_code=seen.exit_code, signal=seen.signal, cause=seen.cause, detail=seen.detail[:500],
        )  # fmt: skip
        self.frees_room = True
        if closed:
            self._changes.set(attempt, closed_at=self.now)
            self._closing.append((attempt, seen))

    def apply(self, db: Session) -> None:
        """Write everything. The caller has checked its lease in this transaction."""
        closing = {attempt.job_id for attempt, _ in self._closing}
        held = hold(db, {*closing, *self._stopping, *self._running, *self._reasons})
        names = _names(db, {a.stop_by for a in (*self._stopping.values(), *(a for a, _ in self._closing))})
        self._changes.write(db)
        moves = [self._closed(held[a.job_id], a, seen, _Known(db, names)) for a, seen in self._closing]
        moves += [m for j, a in self._stopping.items() if j not in closing and (m := self._stopped(held[j], a, names))]
        begun = self._running.keys() - closing - self._stopping.keys()
        moves += [_started(held[j], self._running[j]) for j in sorted(begun) if held[j].state is JobState.STARTING]
        move(db, moves, self.now)
        moved = {step.job.id for step in moves}
        reasons = {j: r for j, r in self._reasons.items() if j not in moved}
        _write_reasons(db, reasons)
        for job_id, reason in reasons.items():
            if reason is not None and reason.code in UNASKED:
                _record_stop(db, held[job_id], reason, self.now)

    def _stopped(self, job: HeldJob, attempt: OpenAttempt, names: dict[str, str]) -> Move | None:
        by = names.get(attempt.stop_by or "")
        reason = Reason(ReasonCode.STOPPING, {"by": by, "grace": attempt.stop_grace})
        if attempt.stop_at_once:
            reason = Reason(ReasonCode.STOPPING_NOW, {"by": by})
        if job.state is JobState.STOPPING:
            self._reasons[job.id] = reason
            return None
        began = self._running.get(job.id)
        columns = {"started_at": began} if began else {}
        return Move(job=job, to=JobState.STOPPING, by=_system(job), reason=reason, columns=columns)

    def _closed(self, job: HeldJob, attempt: OpenAttempt, seen: Observation, known: _Known) -> Move:
        follows = what_follows(known.ending(attempt, seen), self.now)
        columns: dict[str, Any] = {
            "exit_code": seen.exit_code, "started_at": seen.started_at,
            "finished_at": seen.finished_at if follows.to in FINAL else None,
        }  # fmt: skip
        if follows.to is JobState.QUEUED:
            columns = _afresh(follows)
        data = {"attempt": attempt.number, "exit_code": seen.exit_code}
        return Move(job=job, to=follows.to, by=_system(job), reason=follows.reason, columns=columns, data=data)


class _Known:
    """What decides of an ending besides the observation, read from the rows where it is needed."""

    def __init__(self, db: Session, names: dict[str, str]) -> None:
        self._db = db
        self._names = names

    def ending(self, attempt: OpenAttempt, seen: Observation) -> Ending:
        recovery = None if seen.exit_code == 0 else self._recovery(attempt)
        told = attempt.stop_requested_at is not None or (recovery is not None and self._is_told(attempt))
        stopped = StopReason.REQUESTED if told else None
        facts = EndFacts(
            max_duration=attempt.max_duration, memory_tenths=attempt.memory_tenths, stopped=stopped,
            by=self._names.get(attempt.stop_by or ""), node=attempt.first_node,
        )  # fmt: skip
        errors = self._own_errors(attempt) if recovery and recovery.max_restarts_on_errors else 0
        return Ending(
            seen=seen, facts=facts, stop_requested=told, recovery=recovery, number=attempt.number,
            own_errors=errors,
        )  # fmt: skip

    def _is_told(self, attempt: OpenAttempt) -> bool:
        """Whether a stop came after the round began: the row is locked now, so no later one can be overlooked."""
        told = select(JOB.c.stop_requested_at).where(JOB.c.id == attempt.job_id)
        return self._db.execute(told).scalar_one() is not None

    def _recovery(self, attempt: OpenAttempt) -> JobRecovery | None:
        query = select(DOCUMENT.c.spec).where(DOCUMENT.c.job_id == attempt.job_id)
        stored = orjson.loads(self._db.execute(query).scalar_one()).get("resources", {}).get("job_recovery")
        return None if stored is None else JobRecovery.model_validate(stored)

    def _own_errors(self, attempt: OpenAttempt) -> int:
        """Earlier attempts that ended by an error of the job's own."""
        errors = select(func.count()).where(
            ATTEMPT.c.job_id == attempt.job_id, ATTEMPT.c.id != attempt.id, ATTEMPT.c.exit_code.is_not(None),
            ATTEMPT.c.exit_code.not_in((0, EX_TEMPFAIL)),
        )  # fmt: skip
        return int(self._db.execute(errors).scalar_one())


def _started(job: HeldJob, at: datetime | None) -> Move:
    return Move(job=job, to=JobState.RUNNING, by=_system(job), columns={"started_at": at})


def _afresh(follows: Next) -> dict[str, Any]:
    """The columns of a job that waits for another attempt."""
    return {
        "exit_code": None, "started_at": None, "not_before": follows.not_before, "estimated_start_at": None,
        "estimated_at": None,
    }  # fmt: skip


def _system(job: HeldJob) -> Actor:
    return Actor.system(job.organization_id)


def _record_stop(db: Session, job: HeldJob, reason: Reason, at: datetime) -> None:
    """It stays in its state: from `stopping` no job goes on to the queue, as a lost one still may from here."""
    record(
        db, _system(job), "job.stopping", subject_id=job.id, subject_name=job.name, at=at,
        private_to=job.owner_id if job.is_private else None, shared_with=job.shared_with,
        data={"reason": reason.sentence()},
    )  # fmt: skip


def _names(db: Session, user_ids: Iterable[str | None]) -> dict[str, str]:
    """What those users are called in a sentence."""
    wanted = sorted(filter(None, user_ids))
    rows = db.execute(select(User.id, User.name, User.email).where(User.id.in_(wanted))) if wanted else ()  # type: ignore[call-overload, attr-defined]
    return {row.id: row.name or row.email or "an admin" for row in rows}


def _write_reasons(db: Session, reasons: dict[str, Reason | None]) -> None:
    rows = [
        {
            "b_id": job_id, "reason_code": reason.code if reason else None,
            "reason_args": orjson.dumps(reason.args if reason else {}).decode(),
        }
        for job_id, reason in sorted(reasons.items())
    ]  # fmt: skip
    if rows:
        values: dict[str, Any] = {name: bindparam(name) for name in ("reason_code", "reason_args")}
        db.connection().execute(update(JOB).where(JOB.c.id == bindparam("b_id")).values(values), rows)

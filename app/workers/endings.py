"""What follows when an attempt has ended and its log is stored: the job's final state, or another attempt."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from app.engines.protocol import EndCause, Observation, StopReason
from app.jobs.models import JobState
from app.jobs.reasons import EX_TEMPFAIL, EndFacts, Reason, ReasonCode, end_reason
from app.jobs.resource_spec import JobRecovery

QUICK = timedelta(seconds=60)  # an attempt that ended sooner is followed by a pause
LONGEST_PAUSE = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """All that decides what follows. `own_errors`: earlier attempts that ended by an error of the job's own."""

    seen: Observation
    facts: EndFacts
    stop_requested: bool
    recovery: JobRecovery | None
    number: int
    own_errors: int = 0


@dataclass(frozen=True, slots=True)
class Next:
    to: JobState
    reason: Reason | None
    not_before: datetime | None = None


def what_follows(ending: Ending, now: datetime) -> Next:
    seen = ending.seen
    reason = end_reason(seen, ending.facts)
    if seen.cause is EndCause.STOPPED and ending.facts.stopped in {None, StopReason.REQUESTED}:
        return Next(JobState.STOPPED, reason)
    if reason is None:
        return Next(JobState.SUCCEEDED, None)
    if not _runs_again(ending):
        return Next(JobState.FAILED, reason)
    if ending.stop_requested:
        return Next(JobState.STOPPED, Reason(ReasonCode.STOPPED, {"by": ending.facts.by}))
    again = Reason(ReasonCode.REQUEUED, {"why": reason.sentence()})
    return Next(JobState.QUEUED, again, _pause_until(ending, now))


def _runs_again(ending: Ending) -> bool:
    recovery, seen = ending.recovery, ending.seen
    if recovery is None or not recovery.allows_another:
        return False
    if _is_lost(seen) or seen.exit_code == EX_TEMPFAIL or seen.cause is EndCause.STOPPED:
        return True
    if seen.cause in {EndCause.TIMED_OUT, EndCause.NOT_STARTED}:
        return False
    if seen.exit_code in recovery.recover_on_exit_codes:
        return True
    return ending.own_errors < recovery.max_restarts_on_errors


def _is_lost(seen: Observation) -> bool:
    return seen.cause is EndCause.MACHINE_LOST


def _pause_until(ending: Ending, now: datetime) -> datetime | None:
    """A job that keeps ending at once must not be started again and again without a breath."""
    began, ended = ending.seen.started_at, ending.seen.finished_at or now
    if began is not None and ended - began >= QUICK:
        return None
    return now + timedelta(seconds=min(LONGEST_PAUSE, float(1 << min(ending.number, 10))))

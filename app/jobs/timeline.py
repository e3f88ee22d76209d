"""The story of a job in a few steps, made from its row and its attempts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta

from app.durations import format_duration
from app.jobs.answers import AttemptView, TimelineStep
from app.jobs.models import Job
from app.jobs.reasons import ReasonCode


def timeline(job: Job, attempts: Sequence[AttemptView], stopped_by: str | None) -> list[TimelineStep]:
    """Oldest first. The end of the last attempt is told as the end of the job."""
    steps = [TimelineStep(job.created_at, "Submitted")]
    last = max(attempts, key=lambda attempt: attempt.number, default=None)
    for attempt in attempts:
        steps.extend(_of_attempt(attempt, many=len(attempts) > 1, ends=attempt is not last or not job.finished_at))
    if job.started_at and job.max_duration and job.reason_code in (ReasonCode.TIMING_OUT, ReasonCode.TIMED_OUT):
        over = f"its max_duration of {format_duration(job.max_duration)} was over"
        steps.append(TimelineStep(job.started_at + timedelta(seconds=job.max_duration), "Told to stop", over))
    if job.stop_requested_at:
        steps.append(TimelineStep(job.stop_requested_at, "Told to stop", f"by {stopped_by}" if stopped_by else None))
    if job.finished_at:
        reason = last.end_reason if last and last.end_reason != job.state.value else None
        steps.append(TimelineStep(job.finished_at, job.state.value.capitalize(), reason))
    return sorted(steps, key=lambda step: step.at)


def _of_attempt(attempt: AttemptView, *, many: bool, ends: bool) -> Iterator[TimelineStep]:
    which = f"Attempt {attempt.number}: " if many else ""
    yield TimelineStep(attempt.created_at, _label(which, "placed"), f"on {', '.join(attempt.nodes)}")
    if attempt.started_at:
        yield TimelineStep(attempt.started_at, _label(which, "started"))
    if attempt.finished_at and ends:
        yield TimelineStep(attempt.finished_at, _label(which, "ended"), attempt.end_reason)


def _label(which: str, verb: str) -> str:
    return f"{which}{verb}" if which else verb.capitalize()

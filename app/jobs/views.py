"""Answers made from rows: summaries for lists, the whole job for its page."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from sqlalchemy import Row
from sqlmodel import Session

from app.accounts.answers import Owner
from app.accounts.teams.models import Team
from app.durations import format_duration
from app.engines.protocol import EndCause, Observation, StopReason
from app.jobs import line, queries
from app.jobs.amounts import number
from app.jobs.answers import (
    AttemptView,
    JobDetail,
    JobMay,
    JobSummary,
    RecoveryView,
    StopView,
    TeamChoice,
    TimelineStep,
)
from app.jobs.document import spec_of
from app.jobs.live import LiveReader
from app.jobs.models import Job, JobState
from app.jobs.new_row import NewJobRow
from app.jobs.reasons import EndFacts, Reason, end_reason
from app.jobs.resource_spec import JobRecovery
from app.jobs.spec import JobSubmit
from app.jobs.states import FINAL
from app.jobs.task_yaml import dump_task
from app.jobs.timeline import timeline
from app.pools.known import KnownPool
from app.pools.shares import load_shares
from app.web.action import Scope
from app.web.ask import AfterCommit, Principal


def summaries(db: Session, rows: Sequence[Row[Any]]) -> list[JobSummary]:
    """One summary a row, in the rows' order."""
    places = line.positions(db, rows)
    live = LiveReader(db)
    placed = ((row, places.get(row.id)) for row in rows)
    return [JobSummary(**_summary(row, live.reason(row, position), position)) for row, position in placed]


def _summary(row: Any, reason: str, position: int | None) -> dict[str, Any]:
    return {
        "id": row.id, "name": row.name, "state": row.state, "reason": reason, "pool": row.pool,
        "pool_id": row.pool_id, "owner": Owner(row.owner_id, row.owner_name, row.owner_email),
        "visibility": row.visibility, "priority": row.priority, "num_nodes": row.num_nodes,
        "cpus": number(row.cpu_tenths), "memory": number(row.memory_tenths), "accelerators": row.accelerators,
        "created_at": row.created_at, "started_at": row.started_at, "finished_at": row.finished_at,
        "exit_code": row.exit_code, "attempt": row.attempt_number, "queue_position": position,
    }  # fmt: skip


def detail(db: Session, job: Job, me: Principal) -> JobDetail:
    """The whole job as `me`, who was let in to it, sees it."""
    row = queries.summary(db, job.id)
    position = line.positions(db, [row]).get(job.id)
    spec = spec_of(db, job)
    stopped_by = queries.user_name(db, job.stop_by) if job.stop_by else None
    attempts = [_attempt(attempt, job, stopped_by) for attempt in queries.attempts(db, job.id)]
    recovery = spec.get("resources", {}).get("job_recovery")
    return JobDetail(
        **_summary(row, LiveReader(db).reason(row, position), position), team=_team(db, job.team_id),
        setup=spec.get("setup"), run=spec["run"], envs=spec.get("envs", {}), secrets=spec.get("secrets", {}),
        image=spec.get("image"), workdir=spec.get("workdir"),
        max_duration=format_duration(job.max_duration) if job.max_duration else None,
        job_recovery=_recovery(JobRecovery.model_validate(recovery)) if recovery is not None else None,
        stop=StopView(job.stop_signal.value, format_duration(job.stop_grace)),
        estimated_start_at=job.estimated_start_at, estimated_at=job.estimated_at,
        stop_requested_at=job.stop_requested_at, attempts=attempts, log_size=queries.log_state(db, job.id).size,
        logs_removed_at=job.logs_removed_at, task=dump_task(spec), may=_may(job, me),
        timeline=timeline(job, attempts, stopped_by),
    )  # fmt: skip


def submitted(db: Session, new: NewJobRow, pool: KnownPool, body: JobSubmit, me: Principal) -> AfterCommit[JobDetail]:
    """The job that `me` has just submitted, told without reading it back, and after the commit."""
    row = _FreshRow(new, pool, me)
    ahead = line.count_ahead(db, new.organization_id, new.pool_id, new.priority)  # itself included
    position = ahead if 0 < ahead < line.FURTHEST else None
    summary = _summary(row, LiveReader(db, pool).reason(row, position), position)
    return AfterCommit(new.id, partial(_fresh, new, body, summary, _team(db, new.team_id)))


def _fresh(new: NewJobRow, body: JobSubmit, summary: dict[str, Any], team: TeamChoice | None) -> JobDetail:
    recovery = body.job_recovery
    return JobDetail(
        **summary, team=team, setup=body.setup, run=body.run, envs=body.envs, secrets=dict.fromkeys(body.secrets),
        image=body.image, workdir=new.spec.get("workdir"),
        max_duration=format_duration(new.max_duration) if new.max_duration else None,
        job_recovery=_recovery(recovery) if recovery is not None else None,
        stop=StopView(new.stop_signal.value, format_duration(new.stop_grace)), estimated_start_at=None,
        estimated_at=None, stop_requested_at=None, attempts=[], log_size=0, logs_removed_at=None,
        task=dump_task(new.spec), may=JobMay(stop=True, rerun=True, change=True),
        timeline=[TimelineStep(new.created_at, "Submitted")],
    )  # fmt: skip


class _FreshRow:
    """A new job's row with what a list's row joins to it."""

    started_at = finished_at = exit_code = attempt_number = None

    def __init__(self, new: NewJobRow, pool: KnownPool, me: Principal) -> None:
        self._new = new
        self.pool = pool.name
        self.owner_name, self.owner_email = me.name, me.email

    def __getattr__(self, name: str) -> Any:
        return getattr(self._new, name)


def _team(db: Session, team_id: str | None) -> TeamChoice | None:
    team = db.get(Team, team_id) if team_id is not None else None
    return TeamChoice(team.id, team.name) if team is not None else None


def _recovery(recovery: JobRecovery) -> RecoveryView:
    return RecoveryView(recovery.strategy, recovery.max_restarts_on_errors, list(recovery.recover_on_exit_codes))


def _may(job: Job, me: Principal) -> JobMay:
    writes = me.has_scope(Scope.COMPUTE_WRITE) and (me.is_admin or me.user_id == job.owner_id)
    return JobMay(stop=writes and job.state not in FINAL and not job.stop_at_once, rerun=writes, change=writes)


def _attempt(row: Row[Any], job: Job, stopped_by: str | None) -> AttemptView:
    shares = load_shares(row.shares)
    outcome, end_reason = (None, None) if row.finished_at is None else _end(row, job, stopped_by)
    return AttemptView(
        id=row.id, number=row.number, state=row.phase.value, pool=row.pool, nodes=[share.node for share in shares],
        gpus=row.gpus, created_at=row.created_at, started_at=row.started_at, finished_at=row.finished_at,
        exit_code=row.exit_code, outcome=outcome, end_reason=end_reason,
    )  # fmt: skip


def _end(row: Row[Any], job: Job, stopped_by: str | None) -> tuple[JobState, str]:
    reason = _end_reason(row, job, stopped_by)
    sentence = "succeeded" if reason is None else reason.sentence()
    if row.cause is EndCause.STOPPED:
        return JobState.STOPPED, sentence
    return JobState.SUCCEEDED if reason is None else JobState.FAILED, sentence


def _end_reason(row: Row[Any], job: Job, stopped_by: str | None) -> Reason | None:
    """Why an attempt that has ended did; None where it succeeded."""
    seen = Observation(
        phase=row.phase, started_at=row.started_at, finished_at=row.finished_at, exit_code=row.exit_code,
        signal=row.signal, cause=row.cause, detail=row.detail,
    )  # fmt: skip
    shares = load_shares(row.shares)
    facts = EndFacts(
        max_duration=job.max_duration, memory_tenths=shares[0].memory_tenths if shares else None, by=stopped_by,
        stopped=StopReason.REQUESTED if job.stop_requested_at else None, node=shares[0].node if shares else None,
    )  # fmt: skip
    return end_reason(seen, facts)

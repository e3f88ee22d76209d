"""The row of a job that is being submitted. It answers the submit as a row that was read would, without a query."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from app.db import new_id
from app.engines.protocol import Signal
from app.jobs.ids import created_at
from app.jobs.models import JobState, Visibility
from app.jobs.needs import Needs
from app.jobs.reasons import ReasonCode
from app.jobs.spec import JobSubmit
from app.pools.known import KnownPool
from app.pools.models import PoolState

FIRST_REASONS = {PoolState.DRAINED: ReasonCode.POOL_DRAINED, PoolState.UNREACHABLE: ReasonCode.POOL_UNREACHABLE}


@dataclass(frozen=True, slots=True, kw_only=True)
class NewJobRow:
    """The columns of `Job` that a submit sets; the others have their defaults. `spec` is its document, as stored."""

    spec: dict[str, Any]
    id: str
    organization_id: str
    owner_id: str
    pool_id: str
    name: str
    visibility: Visibility
    team_id: str | None
    priority: int
    queue_rank: int
    created_at: datetime
    num_nodes: int
    cpu_tenths: int
    memory_tenths: int
    accelerators: str | None
    needs: str
    max_duration: float | None
    stop_signal: Signal
    stop_grace: float
    reason_code: str
    reason_args: str = "{}"
    state: JobState = JobState.QUEUED
    stop_at_once: bool = False

    @classmethod
    def of(cls, body: JobSubmit, pool: KnownPool, needs: Needs, owner_id: str, team_id: str | None) -> NewJobRow:
        job_id = new_id("job")
        spec = body.spec if team_id is None else {**body.spec, "team": team_id}
        return cls(
            spec=spec, id=job_id, organization_id=pool.organization_id, owner_id=owner_id, pool_id=pool.id,
            name=body.name, visibility=Visibility(body.visibility), team_id=team_id, priority=body.priority,
            queue_rank=-body.priority,
            created_at=created_at(job_id), num_nodes=body.num_nodes, cpu_tenths=needs.first.cpu_tenths,
            memory_tenths=needs.first.memory_tenths, accelerators=needs.first.accelerators,
            needs=needs.dump(), max_duration=body.max_duration,
            stop_signal=body.stop.signal, stop_grace=body.stop_grace(pool.max_stop_grace),
            reason_code=FIRST_REASONS.get(pool.state, ReasonCode.SUBMITTED).value,
        )  # fmt: skip

    def columns(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in _COLUMNS}


_COLUMNS = tuple(name for name in NewJobRow.__slots__ if name != "spec")

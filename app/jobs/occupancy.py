"""What a pool has, and what runs there until when, as placement takes it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, select
from sqlmodel import Session

from app.jobs.models import ATTEMPT, JOB
from app.jobs.placement import Condition, NodeState, RunningAttempt
from app.pools import disk
from app.pools.models import Node
from app.pools.queries import holding_shares
from app.pools.shares import load_gpus, load_shares


def node_states(nodes: Iterable[Node | Row[Any]]) -> list[NodeState]:
    return [_node_state(node) for node in nodes]


def _node_state(node: Node | Row[Any]) -> NodeState:
    return NodeState(
        name=node.name, cpu_tenths=node.cpu_tenths, memory_tenths=node.memory_tenths, gpus=load_gpus(node.gpus),
        condition=Condition.DISK_LOW if disk.is_low(node.disk_free_percent) else Condition.OPEN,
    )  # fmt: skip


def running(db: Session, organization_id: str, pool_id: str, now: datetime) -> list[RunningAttempt]:
    """All attempts of the pool that hold their shares."""
    columns = (ATTEMPT.c.id, ATTEMPT.c.shares, ATTEMPT.c.started_at, JOB.c.max_duration, JOB.c.stop_grace)
    query = select(*columns).join(JOB, JOB.c.id == ATTEMPT.c.job_id)
    rows = db.execute(query.where(*holding_shares(organization_id, pool_id)).order_by(ATTEMPT.c.id))
    return [
        RunningAttempt(id=row.id, shares=load_shares(row.shares), expected_end=_expected_end(row, now)) for row in rows
    ]


def _expected_end(row: Row[Any], now: datetime) -> datetime | None:
    if row.max_duration is None:
        return None
    return (row.started_at or now) + timedelta(seconds=row.max_duration + row.stop_grace)

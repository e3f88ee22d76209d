"""What a job would be before it is submitted: what its pool can't honour, the price, the place in line."""

from __future__ import annotations

from datetime import datetime

import orjson
from sqlmodel import Session

from app.engines.protocol import Offer
from app.jobs import line
from app.jobs.accounting import credits_text, hourly_price
from app.jobs.amounts import number
from app.jobs.answers import JobPreview, PreviewError
from app.jobs.needs import Needs
from app.jobs.new_row import FIRST_REASONS
from app.jobs.occupancy import node_states, running
from app.jobs.placement import Plan, QueuedJob, plan
from app.jobs.reasons import Live, Reason, ReasonCode
from app.jobs.refusals import judge
from app.jobs.service import pool_for
from app.jobs.spec import JobSubmit
from app.jobs.task_yaml import dump_task
from app.pools.known import KnownPool, facts_of, node_rows
from app.pools.models import NodePool, PoolState
from app.web.problems import Invalid

ALONE = "previewed"  # the id under which it is planned
NO_PLAN = Plan(placements={}, reasons={}, starts={})


def preview(db: Session, organization_id: str, body: JobSubmit, now: datetime) -> JobPreview:
    """Nothing is written. What the pool can't honour comes as `errors`, not as a problem."""
    try:
        pool = pool_for(db, organization_id, body.pool)
    except Invalid as wrong:
        return _refused(body, [PreviewError(e.field, e.message) for e in wrong.errors])
    facts = facts_of(db, pool)
    verdict = judge(body, facts)
    errors = [PreviewError(e.field, e.message) for e in verdict.refusals]
    needs = verdict.needs
    price = hourly_price(needs.first, needs.num_nodes, _offers(db, pool))
    ahead = line.count_ahead(db, pool.organization_id, pool.id, body.priority)
    is_taken = not errors and pool.state is PoolState.OPEN
    alone = _planned(db, pool, needs, now) if is_taken else NO_PLAN
    is_next = is_taken and ahead == 0
    at_once = is_next and ALONE in alone.placements
    position = None if errors or at_once or ahead >= line.FURTHEST else ahead + 1
    return JobPreview(
        name=body.name, pool=pool.name, errors=errors, num_nodes=needs.num_nodes, cpus=number(needs.first.cpu_tenths),
        memory=number(needs.first.memory_tenths), accelerators=needs.first.accelerators,
        price_per_hour=None if price is None else credits_text(price),
        starts_at_once=at_once, queue_position=position, reason=_reason(pool, alone),
        estimated_start_at=alone.starts.get(ALONE) if is_next else None, task=dump_task(body.spec),
    )  # fmt: skip


def _offers(db: Session, pool: KnownPool) -> list[Offer]:
    row = db.get(NodePool, pool.id)
    assert row is not None
    return [Offer(**offer) for offer in orjson.loads(row.offers)]


def _refused(body: JobSubmit, errors: list[PreviewError]) -> JobPreview:
    return JobPreview(
        name=body.name, pool=body.pool, errors=errors, num_nodes=body.num_nodes, cpus=None, memory=None,
        accelerators=None, price_per_hour=None, starts_at_once=False, queue_position=None, reason=None,
        estimated_start_at=None, task=dump_task(body.spec),
    )  # fmt: skip


def _planned(db: Session, pool: KnownPool, needs: Needs, now: datetime) -> Plan:
    """What the scheduler would do with the job if nobody else waited. How long it may run changes nothing then."""
    job = QueuedJob(id=ALONE, needs=needs, queued_at=now)
    return plan([job], node_states(node_rows(db, pool)), running(db, pool.organization_id, pool.id, now), now)


def _reason(pool: KnownPool, alone: Plan) -> str | None:
    code = FIRST_REASONS.get(pool.state)
    if code is None and ALONE in alone.reasons and alone.reasons[ALONE].code is ReasonCode.DISK_LOW:
        code = ReasonCode.DISK_LOW
    return None if code is None else Reason(code).sentence(Live(pool=pool.name, pool_reason=pool.reason))

"""The scheduler: it places queued jobs on nodes, and says of the others why they wait.

A round reads the queues and nodes, makes a plan without a transaction, and applies it pool by pool in one, in which
each job must still be queued and not stopped, and the lease must hold. It never talks to an engine.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from sqlalchemy import Integer, Row, String, bindparam, select, tuple_
from sqlmodel import Session
from sqlmodel import select as select_rows

from app.db import utcnow
from app.jobs.models import IS_QUEUED, JOB
from app.jobs.needs import Needs
from app.jobs.occupancy import node_states, running
from app.jobs.placement import QueuedJob, plan
from app.pools import queries as pools
from app.pools.models import NodePool, PoolState
from app.pools.service import mark_fault
from app.site import Site
from app.workers import lease
from app.workers.loop import is_due
from app.workers.placing import Placing, place, tell_shut

WINDOW = 1_000  # queued jobs of a pool that a round looks at from the front, and as many further back, in turn
TELL_EVERY = timedelta(seconds=15)
SILENCE = timedelta(seconds=60)
LISTEN_EVERY = timedelta(seconds=10)

_QUEUED = (
    select(
        JOB.c.id, JOB.c.needs, JOB.c.created_at, JOB.c.priority, JOB.c.max_duration, JOB.c.stop_grace,
        JOB.c.reason_code, JOB.c.reason_args, JOB.c.estimated_start_at, JOB.c.not_before, JOB.c.queue_rank,
    )
    .where(
        JOB.c.organization_id == bindparam("organization"), JOB.c.pool_id == bindparam("pool"),
        IS_QUEUED,
    )
    .order_by(JOB.c.queue_rank, JOB.c.id)
    .limit(bindparam("window"))
)  # fmt: skip
_BEHIND = _QUEUED.where(
    tuple_(JOB.c.queue_rank, JOB.c.id) > tuple_(bindparam("rank", type_=Integer), bindparam("last", type_=String))
)


class Scheduler:
    """The worker `scheduler`. Of several servers on one database, the one that holds the lease plans for all."""

    name = "scheduler"
    rest = 12.0

    def __init__(self, site: Site, wake: Callable[[str], None]) -> None:
        self._db = site.db
        self._host_id = site.datadir.host_id
        self._wake = wake
        self._held: lease.Held | None = None
        self._began = self._listened = utcnow()
        self._seen_to: dict[str, tuple[int, str]] = {}  # pools with long lines: how far back the last round looked
        self._shut: dict[str, tuple[PoolState, datetime]] = {}  # pools that take no jobs, and when that was told

    def round(self) -> float:
        self._held = lease.keep(self._db, self._held, "scheduler", self._host_id)
        if self._held is None:
            return 1.0
        self._note_silence(self._held)
        with self._db.read() as db:
            every = list(db.exec(select_rows(NodePool)))
        placed = sum(self._see_to(pool, self._held) for pool in every)
        if placed:
            self._wake("engine")
        return 0.0 if placed >= WINDOW else 1.0

    def _note_silence(self, held: lease.Held) -> None:
        """Mark pools whose server no longer renews its lease, once this one has been here long enough to tell."""
        now = utcnow()
        if now - self._began < SILENCE or not is_due(self._listened, now, LISTEN_EVERY):
            return
        self._listened = now
        with self._db.read() as db:
            silent = lease.expired(db, "pool/", now - SILENCE)
        for name, since in silent.items():
            with self._db.write() as db:
                lease.check(db, held)
                pool = db.get(NodePool, name.removeprefix("pool/"))
                if pool is not None and not pool.fault:
                    mark_fault(db, pool, f"its server has not been heard of since {since:%Y-%m-%d %H:%M} UTC", now)

    def _see_to(self, pool: NodePool, held: lease.Held) -> int:
        """Place what may start on the pool; how many jobs that were."""
        now = utcnow()
        if pool.state is not PoolState.OPEN:
            self._tell_shut(pool, held, now)
            return 0
        self._shut.pop(pool.id, None)
        with self._db.read() as db:
            queue = self._queue(db, pool)
            if not queue:
                return 0
            ready = [_queued(row) for row in queue if row.not_before is None or row.not_before <= now]
            nodes = node_states(pools.nodes_of(db, pool))
            made = plan(ready, nodes, running(db, pool.organization_id, pool.id, now), now)
        placing = Placing.of(queue, made)
        if not placing:
            return 0
        with self._db.write() as db:
            lease.check(db, held)
            return place(db, pool, placing, now)

    def _queue(self, db: Session, pool: NodePool) -> list[Row[Any]]:
        """The front of the line, and a part behind it that moves on: what fits is found behind many that do not."""
        window = {"organization": pool.organization_id, "pool": pool.id, "window": WINDOW}
        front = list(db.execute(_QUEUED, window))
        if len(front) < WINDOW:
            self._seen_to.pop(pool.id, None)
            return front
        rank, last = max(_place(front[-1]), self._seen_to.get(pool.id, _place(front[-1])))
        behind = list(db.execute(_BEHIND, {**window, "rank": rank, "last": last}))
        self._seen_to[pool.id] = _place(behind[-1] if len(behind) == WINDOW else front[-1])
        return front + behind

    def _tell_shut(self, pool: NodePool, held: lease.Held, now: datetime) -> None:
        """Say so to all that wait. New jobs are told when they are submitted; the rest is looked at now and then."""
        state, told_at = self._shut.get(pool.id, (PoolState.OPEN, now))
        if state is pool.state and not is_due(told_at, now, TELL_EVERY):
            return
        with self._db.write() as db:
            lease.check(db, held)
            tell_shut(db, pool)
        self._shut[pool.id] = (pool.state, now)


def _place(row: Row[Any]) -> tuple[int, str]:
    return row.queue_rank, row.id


def _queued(row: Row[Any]) -> QueuedJob:
    lasts = None if row.max_duration is None else row.max_duration + row.stop_grace
    return QueuedJob(
        id=row.id, needs=_needs(row.needs), queued_at=row.created_at, priority=row.priority, max_duration=lasts,
        grace=row.stop_grace,
    )  # fmt: skip


@lru_cache(maxsize=4096)
def _needs(stored: str) -> Needs:
    return Needs.load(stored)

"""See to a pool's machines beside its jobs: what they have, how full their disk is, what old attempts left there."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

from sqlalchemy import select, update
from sqlmodel import Session

from app.datadir import free_fraction
from app.engines.protocol import Engine, EngineError, Isolation
from app.jobs.models import ATTEMPT, JOB
from app.pools.models import NodePool
from app.pools.service import Machines, see_machines
from app.site import Site
from app.workers.loop import is_due

log = logging.getLogger("lattice.workers")

LOOK_EVERY = timedelta(seconds=15)
PROBE_EVERY = timedelta(minutes=10)  # for isolations, which are tried out, and for strangers
SWEEP_EVERY = timedelta(seconds=60)
SWEEP = 50  # attempts whose folders one sweep removes


class MachineEngine(Engine, Protocol):
    """An engine of machines, which also says how jobs can be kept apart on them."""

    def available_isolations(self) -> dict[Isolation, str | None]:
        """Isolation → None where it can be used, else a sentence that says why not."""

    def at_work(self) -> Mapping[str, int]:
        """Attempt → its supervisor's process id, for all that run on this machine, whoever submitted them."""

    def work_roots(self) -> Sequence[Path]:
        """The folders on this machine under which jobs keep their files; they may be on several disks."""


def look_at(
    engine: MachineEngine,
    site: Site,
    isolations: Mapping[Isolation, str | None] | None = None,
    free: Callable[[Path], float] = free_fraction,
) -> Machines:
    """Ask the engine, for isolations too unless they are given; raises EngineError.

    `free`: which part of a folder's disk is free. The fullest disk counts, since a job may write to each.
    """
    return Machines(
        reports=engine.nodes(), offers=engine.offers(),
        isolations=engine.available_isolations() if isolations is None else isolations,
        disk_free_percent=int(min(map(free, (site.datadir.path, *engine.work_roots()))) * 100),
    )  # fmt: skip


def strangers(engine: MachineEngine, site: Site) -> Mapping[str, int]:
    """What runs on the machine and the database does not know, as after the restore of an older backup."""
    found = engine.at_work()
    with site.db.read() as db:
        known = set(db.execute(select(ATTEMPT.c.id).where(ATTEMPT.c.id.in_(found))).scalars())
    return {attempt_id: pid for attempt_id, pid in found.items() if attempt_id not in known}


class Machinery:
    """Used by the reconciler's thread alone, once a round; most rounds it has nothing to do."""

    def __init__(self, site: Site, engine: MachineEngine, pool: NodePool) -> None:
        self._site = site
        self._engine = engine
        self._pool = pool
        self._looked_at: datetime | None = None
        self._probed_at: datetime | None = None
        self._isolations: Mapping[Isolation, str | None] | None = None
        self._strangers: Mapping[str, int] = {}
        self._swept_at: datetime | None = None
        self._stuck: set[str] = set()  # attempts whose folders can't be removed; they must not keep others there

    def see_to(self, now: datetime) -> None:
        if is_due(self._looked_at, now, LOOK_EVERY):
            self._looked_at = now
            self._look(now)
        if is_due(self._swept_at, now, SWEEP_EVERY):
            self._swept_at = now
            self._sweep(now)

    def _look(self, now: datetime) -> None:
        if is_due(self._probed_at, now, PROBE_EVERY):
            self._probed_at, self._isolations = now, None
            self._strangers = strangers(self._engine, self._site)
        seen = look_at(self._engine, self._site, self._isolations)
        self._isolations = seen.isolations
        with self._site.db.write() as db:
            pool = db.get(NodePool, self._pool.id)
            assert pool is not None
            see_machines(db, pool, replace(seen, strangers=self._strangers), now)

    def _sweep(self, now: datetime) -> None:
        """Remove the folders of attempts that ended long ago; a job's checkpoints go with its last attempt."""
        until = now - timedelta(days=self._site.settings.lattice_keep_folders_days)
        with self._site.db.read() as db:
            old = _kept_since(db, self._pool, until, self._stuck)
        if len(old) < SWEEP:
            self._stuck.clear()  # nothing else is left, so their turn comes again
        for attempt_id, job_id, handle, is_last in old:
            try:
                if handle is not None:
                    self._engine.discard(attempt_id, handle)
                if is_last:
                    self._engine.discard_job(job_id)
            except EngineError as error:
                log.warning("what attempt %s left is still there: %s", attempt_id, error)
                self._stuck.add(attempt_id)
                continue
            with self._site.db.write() as db:
                db.connection().execute(update(ATTEMPT).where(ATTEMPT.c.id == attempt_id).values(discarded_at=now))


def _kept_since(
    db: Session, pool: NodePool, until: datetime, stuck: Set[str]
) -> list[tuple[str, str, str | None, bool]]:
    """Attempts closed before `until` whose folders are there: id, job, handle, whether the job has ended with it."""
    columns = (ATTEMPT.c.id, ATTEMPT.c.job_id, ATTEMPT.c.handle, JOB.c.attempt_id, JOB.c.finished_at)
    query = select(*columns).join(JOB, JOB.c.id == ATTEMPT.c.job_id)
    query = query.where(
        ATTEMPT.c.closed_at < until, ATTEMPT.c.discarded_at.is_(None), ATTEMPT.c.pool_id == pool.id,
        ATTEMPT.c.id.not_in(sorted(stuck)),
    )  # fmt: skip
    rows = db.execute(query.order_by(ATTEMPT.c.closed_at).limit(SWEEP))
    return [(row.id, row.job_id, row.handle, row.attempt_id == row.id and row.finished_at is not None) for row in rows]

"""Workers moved by hand: the real scheduler, reconciler and engine, one round at a time in the test's own thread."""

from __future__ import annotations

import time
from collections.abc import Callable

from sqlmodel import select

from app.engines.local.engine import LocalEngine
from app.jobs import queries
from app.jobs.models import Job, JobState
from app.jobs.states import FINAL
from app.pools.models import NodePool
from app.site import Site
from app.workers.engine import Reconciler
from app.workers.machines import MachineEngine
from app.workers.scheduler import Scheduler

SECONDS = 30.0


class Hands:
    """`again()` is what a restart of the server is to the workers: new objects over the same rows and folders."""

    def __init__(self, site: Site, engine: MachineEngine | None = None) -> None:
        self.site = site
        self.engine = engine or open_engine(site)
        with site.db.read() as db:
            self.pool = db.exec(select(NodePool)).one()
        self.scheduler = Scheduler(site, lambda _: None)
        self.reconciler = Reconciler(site, self.engine, self.pool, lambda _: None)

    def again(self) -> Hands:
        return Hands(self.site, self.engine)

    def turn(self) -> None:
        """One round of each worker."""
        self.scheduler.round()
        self.reconciler.round()

    def until(self, condition: Callable[[], object], what: str) -> None:
        deadline = time.monotonic() + SECONDS
        while not condition():
            assert time.monotonic() < deadline, f"not within {SECONDS:.0f} s: {what}"
            self.turn()
            if isinstance(self.engine, LocalEngine):
                self.engine.wait_for_change(0.02)

    def until_state(self, job_id: str, *states: JobState) -> Job:
        self.until(lambda: self.job(job_id).state in states, f"{job_id} {' or '.join(states)}")
        return self.job(job_id)

    def until_ended(self, *job_ids: str) -> list[Job]:
        self.until(lambda: all(self.job(j).state in FINAL for j in job_ids), "all ended")
        return [self.job(j) for j in job_ids]

    def job(self, job_id: str) -> Job:
        with self.site.db.read() as db:
            found = db.get(Job, job_id)
            assert found is not None
            return found

    def log(self, job_id: str) -> str:
        with self.site.db.read() as db:
            state = queries.log_state(db, job_id)
        return self.site.logs.read(job_id, state, 0, 1 << 26).data.decode()


def open_engine(site: Site) -> LocalEngine:
    return LocalEngine(site.datadir.path / "local", node_name="node", fake_gpus=site.settings.lattice_fake_gpus)

"""Which workers a server runs: the scheduler, the reconciler of this machine's pool, the cleaner, WorkOS's mirror."""

from __future__ import annotations

import socket
import threading

from app.accounts.queries import first_organization
from app.accounts.workos.provider import WorkOSProvider
from app.db import utcnow
from app.deployment import open_in_turn
from app.engines.local.engine import LocalEngine
from app.pools.models import NodePool
from app.pools.queries import local_pool, unfinished_attempts
from app.pools.service import ensure_local_pool
from app.pools.shares import load_shares
from app.site import Site
from app.workers.cleaner import Cleaner
from app.workers.directory import DirectoryWorker
from app.workers.engine import Reconciler
from app.workers.loop import Workers
from app.workers.machines import look_at
from app.workers.scheduler import Scheduler


class Crew:
    """The workers of one server and the engine they drive; `site.wake` reaches them once they are started."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._engine = LocalEngine(
            site.datadir.engine, node_name=node_name(site, socket.gethostname()[:63] or "local"),
            fake_gpus=site.settings.lattice_fake_gpus,
        )  # fmt: skip
        pool = open_local_pool(site, self._engine)
        self._workers = Workers(
            site.db, site.datadir.host_id,
            [
                Scheduler(site, self.wake), Reconciler(site, self._engine, pool, self.wake), Cleaner(site),
                *_directory(site),
            ],
        )  # fmt: skip
        self._ending = threading.Event()
        self._ear = threading.Thread(target=self._listen, name="lattice-ear", daemon=True)

    def start(self) -> None:
        self._site.wake = self.wake
        self._workers.start()
        self._ear.start()

    def wake(self, name: str) -> None:
        self._workers.wake(name)

    def stop(self) -> None:
        """End the workers; running jobs go on without them."""
        self._ending.set()
        self._engine.interrupt()
        self._ear.join(5)
        self._workers.stop()
        self._engine.close()

    def _listen(self) -> None:
        """Wake the reconciler when the engine hears from an attempt."""
        while not self._ending.is_set():
            if self._engine.wait_for_change(1.0):
                self._workers.wake("engine")


def _directory(site: Site) -> list[DirectoryWorker]:
    return [DirectoryWorker(site, site.provider)] if isinstance(site.provider, WorkOSProvider) else []


def node_name(site: Site, hostname: str) -> str:
    """What this machine's node is called: as before, while attempts hold shares of it, though it was renamed since."""
    with site.db.read() as db:
        pool = local_pool(db, site.datadir.host_id)
        holding = unfinished_attempts(db, pool.organization_id, pool.id) if pool else []
        names = {share.node for attempt in holding for share in load_shares(attempt.shares)}
    return hostname if hostname in names else min(names, default=hostname)


def open_local_pool(site: Site, engine: LocalEngine) -> NodePool:
    """This machine's pool, made at the first start for the first organization."""
    seen = look_at(engine, site)
    with site.db.write() as db:
        open_in_turn(db)
        organization = first_organization(db)
        assert organization is not None, "the site was opened without a first organization"
        return ensure_local_pool(
            db, organization.id, site.datadir.host_id, seen=seen, settings=site.settings, now=utcnow()
        )

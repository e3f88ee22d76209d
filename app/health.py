"""`/healthz` (alive), `/readyz` (database reached, schema not behind, workers beating) and `/metrics` (Prometheus)."""

from __future__ import annotations

from datetime import timedelta

import anyio.to_thread
import orjson
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Gauge, generate_latest
from sqlalchemy import func
from sqlmodel import col, select
from starlette.requests import Request
from starlette.responses import Response

from app import migrate
from app.db import NOT_REACHED, utcnow
from app.jobs.models import JobTotal
from app.pools.queries import least_free_disk
from app.site import Site
from app.workers.loop import SILENT_AFTER, beats


class Health:
    """The three endpoints that no Action table holds: they are for machines that run the server."""

    def __init__(self, site: Site, registry: CollectorRegistry) -> None:
        self.site = site
        self.registry = registry
        self._up = Gauge("lattice_database_up", "1 where the database could be read.", registry=registry)
        self._jobs = Gauge("lattice_jobs", "Jobs by state.", ("state",), registry=registry)
        self._beats = Gauge(
            "lattice_worker_age_seconds", "Since the worker's last round.", ("worker",), registry=registry
        )
        self._disk = Gauge(
            "lattice_pool_disk_free_ratio", "Free part of the fullest disk that jobs write to.", ("pool",),
            registry=registry,
        )  # fmt: skip
        self._writers = Gauge("lattice_database_waiting_writers", "Threads that wait to write.", registry=registry)
        self._pool = Gauge("lattice_database_connections", "Connections of the pool.", ("state",), registry=registry)

    async def alive(self, _request: Request) -> Response:
        return Response(b'{"status": "alive"}', media_type="application/json")

    async def ready(self, _request: Request) -> Response:
        wrong = await anyio.to_thread.run_sync(self.what_is_wrong)
        body = orjson.dumps({"status": "not ready" if wrong else "ready", "wrong": wrong})
        return Response(body, 503 if wrong else 200, media_type="application/json")

    def what_is_wrong(self) -> list[str]:
        """A sentence for each thing that keeps this server from serving; empty when it is ready."""
        if why := self.site.db.why_not_reached():
            return [why]
        wrong = (
            []
            if migrate.is_current(self.site.db)
            else ["The database's schema is behind; run `lattice server migrate`."]
        )
        mine, heard_since = f"{self.site.datadir.host_id}/", utcnow() - timedelta(seconds=SILENT_AFTER)
        with self.site.db.read() as db:
            silent = [name for name, at in beats(db).items() if name.startswith(mine) and at < heard_since]
        return wrong + [f"The worker {name} has not finished a round for a minute." for name in silent]

    async def metrics(self, _request: Request) -> Response:
        body = await anyio.to_thread.run_sync(self._collect)
        return Response(body, media_type=CONTENT_TYPE_LATEST)

    def _collect(self) -> bytes:
        up = self._read()
        self._up.set(up)
        if not up:  # what was read of it before says no more
            self._jobs.clear()
            self._beats.clear()
            self._disk.clear()
        pool = self.site.db.engine.pool
        for state, number in (("in_use", pool.checkedout()), ("size", pool.size())):  # type: ignore[attr-defined]
            self._pool.labels(state).set(number)
        self._writers.set(self.site.db.waiting_writers)
        return generate_latest(self.registry)

    def _read(self) -> bool:
        """Whether the database could be read. A file that was moved away can be for a while, but is nobody's."""
        if self.site.db.why_not_reached():
            return False
        try:
            with self.site.db.read() as db:
                of_state = select(JobTotal.state, func.sum(col(JobTotal.count))).group_by(col(JobTotal.state))
                totals, beaten, free = db.exec(of_state).all(), beats(db), least_free_disk(db)
        except NOT_REACHED:
            return False
        for state, count in totals:
            self._jobs.labels(str(state)).set(count)
        self._beats.clear()  # of workers that there are no more
        for name, at in beaten.items():
            self._beats.labels(name).set(max(0.0, (utcnow() - at).total_seconds()))
        self._disk.clear()
        for pool_id, percent in free:
            self._disk.labels(pool_id).set(percent / 100)
        return True

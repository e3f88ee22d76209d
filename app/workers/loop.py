"""The threads that workers run in. A round that fails is logged and tried again later; it never ends its worker.

A worker takes no input but the database: `wake` is a hint that there is something to see, nothing more.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Protocol

from sqlalchemy import bindparam, delete, text
from sqlmodel import Session, col, select

from app.db import Database, UtcDateTime, utcnow
from app.workers.models import WorkerBeat

log = logging.getLogger("lattice.workers")

LOOK_EVERY = 1.0  # seconds: what a worker sees without being woken is at most this old
BEAT_EVERY = timedelta(seconds=5)
SILENT_AFTER = 60.0  # seconds without a beat: /readyz says so
MAX_BACKOFF = 30.0
LONGEST_REST = 0.25

_AT = bindparam("at", type_=UtcDateTime)
_INSERT = "INSERT INTO worker_beat (name, at) VALUES (:name, :at) ON CONFLICT (name) DO "
_BEAT = text(_INSERT + "UPDATE SET at = excluded.at").bindparams(_AT)
_EXPECT = text(_INSERT + "NOTHING").bindparams(_AT)


class Worker(Protocol):
    """One kind of work. `name` is what `wake` calls it by.

    `rest`: seconds of rest for each second of work, so that a worker that is woken all the time leaves the machine to
    others; LONGEST_REST at most after one round.
    """

    name: str
    rest: float

    def round(self) -> float:
        """Do what there is to do; return the seconds to wait before the next look, unless woken (0: at once)."""


class Workers:
    """Runs each worker in a thread of its own. `start` and `stop` are called once each."""

    def __init__(self, db: Database, host_id: str, workers: Iterable[Worker]) -> None:
        self._db = db
        self._of_host = f"{host_id}/"
        self._loops = {worker.name: _Loop(worker, db, self._of_host + worker.name) for worker in workers}

    def start(self) -> None:
        self._expect_mine()
        for loop in self._loops.values():
            loop.start()

    def _expect_mine(self) -> None:
        """Those that this server has for the first time are heard of now; one that it has no more is not silent."""
        mine = [self._of_host + name for name in self._loops]
        with self._db.write() as session:
            here = col(WorkerBeat.name).startswith(self._of_host, autoescape=True)
            session.connection().execute(delete(WorkerBeat).where(here, col(WorkerBeat.name).not_in(mine)))
            for name in mine:
                session.connection().execute(_EXPECT, {"name": name, "at": utcnow()})

    def wake(self, name: str) -> None:
        """Hint to the worker of that name, from any thread; an unknown name is no error (it may live elsewhere)."""
        loop = self._loops.get(name)
        if loop is not None:
            loop.wake()

    def stop(self, seconds: float = 5.0) -> None:
        """Ask all to end after their round and wait, in all, about that long. Jobs go on; only the workers end."""
        for loop in self._loops.values():
            loop.end()
        deadline = time.monotonic() + seconds
        for loop in self._loops.values():
            loop.join(max(0.0, deadline - time.monotonic()))


class _Loop(threading.Thread):
    def __init__(self, worker: Worker, db: Database, beat_name: str) -> None:
        super().__init__(name=f"lattice-{worker.name}", daemon=True)
        self._worker = worker
        self._db = db
        self._beat_name = beat_name
        self._woken = threading.Event()
        self._ending = threading.Event()
        self._failures = 0
        self._beaten_at: datetime | None = None

    def wake(self) -> None:
        self._woken.set()

    def end(self) -> None:
        self._ending.set()
        self._woken.set()

    def run(self) -> None:
        while not self._ending.is_set():
            self._woken.clear()
            began = time.monotonic()
            pause = self._one_round()
            if self._failures:
                self._ending.wait(pause)
                continue
            self._ending.wait(min(LONGEST_REST, self._worker.rest * (time.monotonic() - began)))
            if pause > 0:
                self._woken.wait(min(pause, LOOK_EVERY))

    def _one_round(self) -> float:
        try:
            pause = self._worker.round()
            self._beat()
        except Exception:
            self._failures += 1
            log.exception("the worker %s failed %d times in a row", self._worker.name, self._failures)
            return min(MAX_BACKOFF, 0.25 * float(1 << min(self._failures, 10)))
        self._failures = 0
        return pause

    def _beat(self) -> None:
        now = utcnow()
        if is_due(self._beaten_at, now, BEAT_EVERY):
            with self._db.write() as session:
                session.connection().execute(_BEAT, {"name": self._beat_name, "at": now})
            self._beaten_at = now


def is_due(last: datetime | None, now: datetime, every: timedelta) -> bool:
    """Whether that long has passed since `last`, or the clock was set back behind it, or there was no last time."""
    return last is None or not timedelta() <= now - last < every


def beats(session: Session) -> dict[str, datetime]:
    """When each worker, named `host/worker`, last finished a round, or was first started if it has finished none."""
    return {beat.name: beat.at for beat in session.exec(select(WorkerBeat).order_by(col(WorkerBeat.name)))}

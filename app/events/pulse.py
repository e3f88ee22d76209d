"""Tells waiting streams that there are newer events, whichever thread or replica wrote them.

It looks for the highest `seq` when a commit of this process wrote events, and once a second for those of others. It
carries no events: each stream reads its own, so that replay and live are one path.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging

import anyio.to_thread

from app.db import Database
from app.events import queries
from app.events.record import off_commit, on_commit

log = logging.getLogger("lattice.events")
LOOK_EVERY = 1.0
COALESCE = 0.1


class Pulse:
    def __init__(self, db: Database) -> None:
        self._db = db
        self.seq = 0
        self._changed = asyncio.Condition()
        self._nudge = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._ending = False

    async def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.seq = await anyio.to_thread.run_sync(self._last)
        on_commit(self._committed)
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        off_commit(self._committed)
        self._ending = True  # Python 3.11's wait_for swallows a cancellation that comes together with a nudge
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    def _committed(self) -> None:
        if self._loop is not None and not self._nudge.is_set() and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._nudge.set)

    async def _run(self) -> None:
        while not self._ending:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._nudge.wait(), LOOK_EVERY)
            self._nudge.clear()
            try:
                newest = await anyio.to_thread.run_sync(self._last)
            except Exception:
                log.warning("the newest event could not be read; trying again", exc_info=True)
                continue
            if newest != self.seq:
                async with self._changed:
                    self.seq = newest
                    self._changed.notify_all()
            await asyncio.sleep(COALESCE)

    def _last(self) -> int:
        with self._db.read() as db:
            return queries.last_seq(db)

    async def beyond(self, seq: int) -> int:
        """Wait until there is an event after `seq`; returns the highest."""
        async with self._changed:
            await self._changed.wait_for(lambda: self.seq > seq)
            return self.seq

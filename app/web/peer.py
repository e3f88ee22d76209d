"""Remote peers (an identity provider, an object store, a registry): called under a deadline, a few at a time.

A peer that hangs takes its own few threads, never those of the database. A thread that is waited for no longer is
still one of the few until the peer lets go of it, so that calls to one that hangs can't pile up.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from threading import Thread
from typing import Any, TypeVar

import anyio

from app.web.problems import Unavailable

T = TypeVar("T")
log = logging.getLogger("lattice.peer")


class Peer:
    """One remote peer. `name` is what a person is told when it does not answer."""

    def __init__(self, name: str, *, at_once: int = 4, seconds: float = 10.0) -> None:
        self.name = name
        self.seconds = seconds
        self._threads = _Threads(name, at_once)

    def close(self) -> None:
        """Its threads end when they are done."""
        self._threads.close()

    async def call(self, work: Callable[[], T], seconds: float | None = None) -> T:
        """Run the blocking `work` in a thread of this peer's own; Unavailable past its deadline, or past `seconds`."""
        deadline = self.seconds if seconds is None else seconds
        with anyio.move_on_after(deadline):
            return await asyncio.wrap_future(self._threads.submit(work))
        log.warning("%s did not answer within %g s", self.name, deadline)
        raise Unavailable(f"{self.name} did not answer in time; try again.", headers={"Retry-After": "5"})


class _Threads:
    """A few threads that the process's end does not wait for, as it would for an executor's. Used by the event loop."""

    def __init__(self, name: str, most: int) -> None:
        self._name = name
        self._most = most
        self._started = 0
        self._waiting: SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None] = SimpleQueue()

    def submit(self, work: Callable[[], T]) -> Future[T]:
        future: Future[T] = Future()
        self._waiting.put((future, work))
        if self._started < self._most:
            self._started += 1
            Thread(target=self._work, name=self._name, daemon=True).start()
        return future

    def close(self) -> None:
        for _ in range(self._started):
            self._waiting.put(None)

    def _work(self) -> None:
        while (taken := self._waiting.get()) is not None:
            future, work = taken
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(work())
                except BaseException as error:
                    future.set_exception(error)
            del taken, future, work  # what it answered is the caller's alone

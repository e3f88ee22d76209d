"""Remote peers (an identity provider, an object store, a registry): called under a deadline, a few at a time.

A peer that hangs takes its own few threads, never those of the database. A thread that is waited for no longer is
still one of the few until the peer lets go of it, so that calls to one that hangs can't pile up.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import anyio

from app.web.problems import Unavailable

T = TypeVar("T")
log = logging.getLogger("lattice.peer")


class Peer:
    """One remote peer. `name` is what a person is told when it does not answer."""

    def __init__(self, name: str, *, at_once: int = 4, seconds: float = 10.0) -> None:
        self.name = name
        self.seconds = seconds
        self._threads = ThreadPoolExecutor(at_once, thread_name_prefix=name)

    async def call(self, work: Callable[[], T], seconds: float | None = None) -> T:
        """Run the blocking `work` in a thread of this peer's own; Unavailable past its deadline, or past `seconds`."""
        deadline = self.seconds if seconds is None else seconds
        with anyio.move_on_after(deadline):
            return await asyncio.wrap_future(self._threads.submit(work))
        log.warning("%s did not answer within %g s", self.name, deadline)
        raise Unavailable(f"{self.name} did not answer in time; try again.", headers={"Retry-After": "5"})

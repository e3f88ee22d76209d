"""Remote peers (an identity provider, an object store, a registry): called under a deadline, a few at a time.

A peer that hangs takes its own few threads, never those of the database.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TypeVar

import anyio
import anyio.to_thread

from app.web.problems import Unavailable

T = TypeVar("T")
log = logging.getLogger("lattice.peer")


class Peer:
    """One remote peer. `name` is what a person is told when it does not answer."""

    def __init__(self, name: str, *, at_once: int = 4, seconds: float = 10.0) -> None:
        self.name = name
        self.seconds = seconds
        self._limit = anyio.CapacityLimiter(at_once)

    async def call(self, work: Callable[[], T]) -> T:
        """Run the blocking `work` in a thread of this peer's own; Unavailable past its deadline."""
        with anyio.move_on_after(self.seconds):
            return await anyio.to_thread.run_sync(work, limiter=self._limit, abandon_on_cancel=True)
        log.warning("%s did not answer within %.0f s", self.name, self.seconds)
        raise Unavailable(f"{self.name} did not answer in time; try again.", headers={"Retry-After": "5"})

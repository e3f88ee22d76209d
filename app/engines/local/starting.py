"""Starts supervisors: again where one died before it made its claim, ever more rarely, and a handful of times at most.

None of it is kept: another server begins to count anew.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from app.engines.local.supervisor.files import NO_CLAIM

RESTART_SECONDS = 5.0  # how long the first may take to make its claim; each later one is waited for twice as long
MOST = 5


@dataclass(slots=True)
class Starts:
    """What became of the supervisors of one attempt. `is_settled`: one of them has made the claim, or nobody will."""

    alive: set[int] = field(default_factory=set)
    deaths: int = 0
    last_death: str = ""
    again_at: float = float("-inf")
    is_settled: bool = False

    @property
    def count(self) -> int:
        return self.deaths + len(self.alive)


class Starter:
    """Used under its engine's lock. `clock` gives seconds that never go back."""

    def __init__(self, python: str, supervisor: Path, clock: Callable[[], float]) -> None:
        self._python = python
        self._supervisor = supervisor
        self._clock = clock
        self._starts: dict[str, Starts] = {}

    def ensure(self, attempt_id: str, folder: Path) -> None:
        """Start a supervisor unless one is on its way or a handful was in vain. Raises OSError."""
        starts = self._starts.setdefault(attempt_id, Starts())
        if starts.count >= MOST or self._clock() < starts.again_at:
            return
        starts.alive.add(self._spawn(folder))
        starts.again_at = self._clock() + RESTART_SECONDS * (1 << (starts.count - 1))

    def _spawn(self, folder: Path) -> int:
        return os.posix_spawn(
            self._python,
            [self._python, "-I", "-S", str(self._supervisor), str(folder)],
            {},
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDWR, 0),
                (os.POSIX_SPAWN_DUP2, 0, 1),
                (os.POSIX_SPAWN_DUP2, 0, 2),
            ],
            setsid=True,
        )

    def why_not(self, attempt_id: str) -> str:
        """A sentence once a handful of supervisors has died without a claim, else nothing."""
        starts = self._starts.get(attempt_id)
        if starts is None or starts.deaths < MOST:
            return ""
        return f"Its supervisor ended {starts.deaths} times before the job began; the last time: {starts.last_death}."

    def settle(self, attempt_id: str) -> None:
        """No more of them is wanted; those that still run are only waited for."""
        if starts := self._starts.get(attempt_id):
            starts.is_settled = True

    def reap(self) -> None:
        for attempt_id, starts in list(self._starts.items()):
            for pid in list(starts.alive):
                if death := _death(pid):
                    starts.alive.remove(pid)
                    starts.deaths += 1
                    starts.last_death = death
            if starts.is_settled and not starts.alive:
                del self._starts[attempt_id]


def _death(pid: int) -> str:
    """How that child ended, or nothing while it runs."""
    try:
        done, status = os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return "nobody saw how"
    if not done:
        return ""
    code = os.waitstatus_to_exitcode(status)
    if code < 0:
        return f"it was killed by signal {-code}"
    return os.strerror(code - NO_CLAIM) if code > NO_CLAIM else f"it exited with {code}"

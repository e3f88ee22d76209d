"""Attempts at the front door of a local engine: started, watched and stopped as a worker does it."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from app.db import new_id
from app.engines.local import LocalEngine
from app.engines.protocol import Launch, LogPiece, Observation, Phase, Share, StopOrder, StopReason
from tests.peers import wait_until

OVER = (Phase.ENDED, Phase.LOST)
DEADLINE = 60.0  # seconds until a test gives up; nothing here takes that long
SHARE = Share(node="here", cpu_tenths=10, memory_tenths=10)


class Runs:
    def __init__(self, home: Path, **more: Any) -> None:
        self.home = home
        self.engine = LocalEngine(home, node_name="here", fake_gpus="H100:2", **more)
        self.begun: list[str] = []
        self.defaults: dict[str, Any] = {}

    def launch(self, run: str, *, share: Share = SHARE, **more: Any) -> Launch:
        ids = {"attempt_id": new_id("att"), "job_id": new_id("job")}
        usual = {"job_name": "test", "number": 1, "shares": (share,), "run": run, **self.defaults}
        return Launch(**{**ids, **usual, **more})

    def start(self, run: str, **more: Any) -> str:
        launch = self.launch(run, **more)
        self.begun.append(self.engine.submit(launch))
        return launch.attempt_id

    def look(self, attempt: str) -> Observation:
        return self.engine.observe({attempt: attempt})[attempt]

    def until(self, attempt: str, is_so: Callable[[Observation], bool]) -> Observation:
        """Wait, woken by the supervisors, until the attempt is as wanted."""
        deadline = time.monotonic() + DEADLINE
        while not is_so(seen := self.look(attempt)):
            assert time.monotonic() < deadline, f"still {seen}; it said {self.log(attempt)[-2000:]!r}"
            self.engine.wait_for_change(0.1)
        return seen

    def end_of(self, attempt: str) -> Observation:
        return self.until(attempt, lambda seen: seen.phase in OVER)

    def end(self, run: str, **more: Any) -> Observation:
        return self.end_of(self.start(run, **more))

    def says(self, attempt: str, word: bytes) -> None:
        """Wait until the word stands in the attempt's output."""
        wait_until(lambda: word in self.log(attempt), what=f"{word!r} in the output", seconds=DEADLINE)

    def stop(self, attempt: str, **order: Any) -> None:
        self.engine.stop(attempt, attempt, StopOrder(**{"reason": StopReason.REQUESTED, **order}))

    def log(self, attempt: str) -> bytes:
        return b"".join(piece.data for piece in self.pieces(attempt))

    def pieces(self, attempt: str, limit: int = 1 << 20) -> list[LogPiece]:
        """All pieces from the start on, as far as there are any."""
        found: list[LogPiece] = []
        offset = 0
        while True:
            piece = self.engine.read_log(attempt, attempt, offset, limit)
            if not piece.data:
                return found
            found.append(piece)
            offset = piece.start + len(piece.data)

    def close(self) -> None:
        """End what is still running, so that no test leaves a process behind."""
        for attempt in self.begun:
            self.stop(attempt, at_once=True)
        for attempt in self.begun:
            if self.engine.find([attempt]):
                self.end_of(attempt)
        self.engine.close()


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0] not in (b"Z", b"X")
    except (FileNotFoundError, ProcessLookupError):
        return False


def command_lines() -> list[bytes]:
    """What everybody can see of every process."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            found.append(path.read_bytes())
    return found


def require_root() -> None:
    assert os.geteuid() == 0, "this test needs root: it makes users and mounts"

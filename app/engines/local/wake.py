"""Where supervisors say that an attempt started or ended: a named pipe in the engine's folder.

A word there is only a hint. What is true stands in the attempts' folders.
"""

from __future__ import annotations

import contextlib
import os
import select
from pathlib import Path


class Wake:
    def __init__(self, path: Path) -> None:
        with contextlib.suppress(FileExistsError):
            os.mkfifo(path, 0o600)
        self._fd = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        self._poller = select.poll()
        self._poller.register(self._fd, select.POLLIN)

    def wait(self, timeout: float) -> bool:
        """Whether something was said within `timeout` seconds, or since the last wait."""
        if not self._poller.poll(max(0.0, timeout) * 1000):
            return False
        with contextlib.suppress(BlockingIOError):
            os.read(self._fd, 1 << 16)
        return True

    def poke(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.write(self._fd, b"\n")

    def close(self) -> None:
        os.close(self._fd)

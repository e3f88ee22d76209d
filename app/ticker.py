"""A small thread that does one thing every few seconds: for what requests only note, so that they need not wait."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable


class Ticker:
    """Does `work` every `every` seconds until `stop`. What it raises is logged as `failed`, and it is tried again."""

    def __init__(self, name: str, every: float, work: Callable[[], object], log: logging.Logger, failed: str) -> None:
        self._every = every
        self._work = work
        self._log = log
        self._failed = failed
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Wait a few seconds for what it is doing."""
        self._ending.set()
        self._thread.join(5)

    def _run(self) -> None:
        while not self._ending.wait(self._every):
            try:
                self._work()
            except Exception:
                self._log.warning("%s; trying again", self._failed, exc_info=True)

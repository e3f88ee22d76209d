"""Real peers that the tests bring up themselves: PostgreSQL, Chromium, Podman, WorkOS, the server as a process.

Each module is a pytest plugin with fixtures. A peer that cannot be brought up skips the tests that need it, except
where CI=true: there it is a failure, so that a green run always means that they ran.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn, TypeVar

import pytest

T = TypeVar("T")

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / ".cache"  # what is slow to make and safe to delete
PLUGINS = [f"tests.peers.{peer}" for peer in ("browser", "podman", "postgres", "server", "workos")]


def unavailable(reason: str) -> NoReturn:
    """Skip the test for want of a peer, or fail it in continuous integration."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


def wait_until(condition: Callable[[], T], *, what: str, seconds: float = 30, every: float = 0.02) -> T:
    """Ask until the answer is true, and return it; `AssertionError` naming `what` when it stays false."""
    deadline = time.monotonic() + seconds
    while not (answer := condition()):
        assert time.monotonic() < deadline, f"gave up after {seconds:g} s waiting for {what}"
        time.sleep(every)
    return answer


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
    return port

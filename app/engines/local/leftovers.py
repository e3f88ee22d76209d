"""What a supervisor that was killed left running. It is found by its control group or by its attempt's id, no guess."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

from app.engines.local.container import tool_env
from app.engines.local.machine import start_time

ROUNDS = 50
TOOL_SECONDS = 60


def kill_leftovers(attempt_id: str, spec: dict[str, list[str]]) -> None:
    """Kill what is left of an attempt whose supervisor is gone, then tidy up as that would have done."""
    if "container" in spec:
        command = [*spec["tool"], "rm", "--force", spec["container"][0]]
        with contextlib.suppress(OSError, subprocess.TimeoutExpired):
            subprocess.run(command, capture_output=True, timeout=TOOL_SECONDS, check=False, env=tool_env())
    groups = [Path(folder) for folder in spec.get("cgroup", ())]
    for _ in range(ROUNDS):
        found = {*_in_groups(groups), *_marked(attempt_id)}
        if not found:
            break
        for pid in found:
            _kill(pid, attempt_id, groups)
    for group in groups:
        with contextlib.suppress(OSError):
            group.rmdir()
    for path in spec.get("close", ()):
        with contextlib.suppress(OSError):
            os.chown(path, os.geteuid(), os.getegid())
            Path(path).chmod(0o700)
    for path in spec.get("remove", ()):
        Path(path).unlink(missing_ok=True)


def _in_groups(groups: list[Path]) -> Iterator[int]:
    for group in groups:
        with contextlib.suppress(OSError):
            yield from (int(pid) for pid in (group / "cgroup.procs").read_text().split())


def _marked(attempt_id: str) -> Iterator[int]:
    """Processes that carry the attempt's id in their environment."""
    for entry in os.scandir("/proc"):
        if entry.name.isdigit() and _carries(int(entry.name), attempt_id):
            yield int(entry.name)


def _carries(pid: int, attempt_id: str) -> bool:
    try:
        environment = Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return False
    return f"LATTICE_ATTEMPT_ID={attempt_id}".encode() in environment.split(b"\0") and start_time(pid) is not None


def _kill(pid: int, attempt_id: str, groups: list[Path]) -> None:
    """Through a descriptor, looked at again before the act, so that it can't be another process by then."""
    with contextlib.suppress(OSError):
        fd = os.pidfd_open(pid)
        try:
            if _carries(pid, attempt_id) or pid in _in_groups(groups):
                signal.pidfd_send_signal(fd, signal.SIGKILL)
        finally:
            os.close(fd)

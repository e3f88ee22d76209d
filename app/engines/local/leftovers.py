"""What a supervisor that was killed left running. It is found by its control group or by its attempt's id, no guess."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from app.engines.local.container import tool_env
from app.engines.local.machine import start_time
from app.engines.local.supervisor.ipc import remove_ipc

PATIENCE = 5.0  # seconds for all of them to be gone; a dead disk can hold one for ever
SECOND_LOOK = 0.02  # seconds; a process in the middle of `exec` shows no environment, so none found is asked twice
AT_ONCE = 64  # processes that are killed and then waited for
TOOL_SECONDS = 60


def kill_leftovers(attempt_id: str, spec: dict[str, list[str]]) -> None:
    """Kill what is left of an attempt whose supervisor is gone, then tidy up as that would have done."""
    if "container" in spec:
        command = [*spec["tool"], "rm", "--force", spec["container"][0]]
        with contextlib.suppress(OSError, subprocess.TimeoutExpired):
            subprocess.run(command, capture_output=True, timeout=TOOL_SECONDS, check=False, env=tool_env())
    groups = [Path(folder) for folder in spec.get("cgroup", ())]
    _end_all(attempt_id, groups)
    for group in groups:
        with contextlib.suppress(OSError):
            group.rmdir()
    for path in spec.get("close", ()):
        with contextlib.suppress(OSError):
            os.chown(path, os.geteuid(), os.getegid())
            Path(path).chmod(0o700)
    if "lease" in spec and os.path.islink(lease := spec["lease"][0]) and os.readlink(lease) == attempt_id:
        remove_ipc(int(spec["owner"][0]))  # its user is nobody else's yet
        Path(lease).unlink(missing_ok=True)
    for path in spec.get("remove", ()):
        Path(path).unlink(missing_ok=True)


def _end_all(attempt_id: str, groups: list[Path]) -> None:
    """Until none is left, or patience is. Who was killed is waited for: memory and GPUs are held until the very end."""
    give_up_at, was_quiet = time.monotonic() + PATIENCE, False
    while time.monotonic() < give_up_at:
        if found := {*_in_groups(groups), *_marked(attempt_id)}:
            was_quiet = False
            _kill_and_wait(found, attempt_id, groups, give_up_at)
        elif was_quiet:
            return
        else:
            was_quiet = True
            time.sleep(SECOND_LOOK)


def _kill_and_wait(found: set[int], attempt_id: str, groups: list[Path], give_up_at: float) -> None:
    """A handful of descriptors at a time: the server needs its own."""
    pids = sorted(found)
    for first in range(0, len(pids), AT_ONCE):
        with contextlib.ExitStack() as descriptors:
            killed = []
            for pid in pids[first : first + AT_ONCE]:
                with contextlib.suppress(OSError):
                    fd = os.pidfd_open(pid)
                    descriptors.callback(os.close, fd)
                    if _carries(pid, attempt_id) or pid in _in_groups(groups):  # looked at again: it is surely this one
                        signal.pidfd_send_signal(fd, signal.SIGKILL)
                        killed.append(fd)
            for fd in killed:
                _wait_for_end(fd, give_up_at)


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


def _wait_for_end(fd: int, give_up_at: float) -> None:
    poller = select.poll()
    poller.register(fd, select.POLLIN)
    poller.poll(max(0.0, give_up_at - time.monotonic()) * 1000)

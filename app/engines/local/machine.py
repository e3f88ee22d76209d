"""What this machine has: CPUs and memory that the server itself may use, and facts for the pool's page."""

from __future__ import annotations

import os
import platform
import time
from pathlib import Path

from app.engines.local.cgroups import own_limits

GIB = 1 << 30


def boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def start_time(pid: int) -> str | None:
    """Field 22 of /proc/PID/stat, or None for a process that is no more (a zombie is no more)."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in (b"Z", b"X") else fields[19].decode()


def cpu_tenths() -> int:
    """The CPUs that the server may run on, less where its control group has a quota; in tenths."""
    quota = own_limits().cpus
    cpus = float(len(os.sched_getaffinity(0)))
    return int(round(min(cpus, quota or cpus) * 10, 3))


def memory_tenths() -> int:
    """The machine's memory, less where the server's control group has a limit; in tenths of a GiB."""
    meminfo = Path("/proc/meminfo").read_text()
    total = next(int(line.split()[1]) << 10 for line in meminfo.splitlines() if line.startswith("MemTotal:"))
    return min(total, own_limits().memory or total) * 10 // GIB


def general_facts() -> dict[str, str]:
    return {
        "kernel": platform.release(),
        "architecture": platform.machine(),
        "cpus": f"{os.cpu_count()} in the machine, {len(os.sched_getaffinity(0))} open to the server",
        "booted": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(_boot_time())),
        "reserve": "none: jobs may hold all CPUs and all memory",
    }


def _boot_time() -> int:
    lines = Path("/proc/stat").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("btime"))

"""Control groups: which version this system offers, the server's own limits, and the limits of one attempt.

The groups stand under `lattice` at the top of each hierarchy that the server may write, else (version 2) under the
server's own group. Nothing is limited in silence: `Cgroups.description` says what is enforced, or why nothing is.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path

CONTROLLERS = ("cpu", "memory", "pids")
PERIOD = 100_000  # microseconds, of the CPU quota
MAX_PROCESSES = 16384  # a job's processes and threads: more than honest work needs, less than a machine has
UNLIMITED = 1 << 60
Items = list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Hierarchy:
    """One mount: version, controllers (version 1), where it is, and the server's own group in it."""

    version: int
    controllers: frozenset[str]
    top: Path
    own: Path


@dataclass(frozen=True, slots=True)
class Limits:
    """The tightest on the way from the server's group to the top; None where there is none. Bytes and CPUs."""

    cpus: float | None
    memory: int | None


@dataclass(frozen=True, slots=True)
class Cgroups:
    version: int  # 0: none
    parents: dict[str, Path]  # controller → the folder that attempts' groups are made in
    description: str

    def items(self, attempt_id: str, cpu_tenths: int, memory_tenths: int) -> Items:
        """What the supervisor needs to make the groups, to enter them, and to see memory run out."""
        folders = sorted({str(parent / attempt_id) for parent in self.parents.values()})
        found: Items = [("cgroup", folder) for folder in folders]
        found += [("join", f"{folder}/cgroup.procs") for folder in folders]
        settings = _settings_v2 if self.version == 2 else _settings_v1
        for controller, parent in self.parents.items():
            for name, value in settings(controller, cpu_tenths, memory_tenths):
                optional = "-" if name.startswith("-") else ""
                found.append(("limit", f"{optional}{parent / attempt_id / name.lstrip('-')}={value}"))
        if "memory" in self.parents:
            folder = self.parents["memory"] / attempt_id
            events = "memory.events" if self.version == 2 else "memory.oom_control"
            found.append(("oom_file", str(folder / events)))
            if self.version == 1:
                found.append(("oom_event", str(folder)))
        return found


def _settings_v1(controller: str, cpu_tenths: int, memory_tenths: int) -> Items:
    memory = str(_memory_bytes(memory_tenths))
    return {
        "cpu": [("cpu.cfs_period_us", str(PERIOD)), ("cpu.cfs_quota_us", str(cpu_tenths * PERIOD // 10))],
        "memory": [("memory.limit_in_bytes", memory), ("-memory.memsw.limit_in_bytes", memory)],
        "pids": [("pids.max", str(MAX_PROCESSES))],
    }[controller]


def _settings_v2(controller: str, cpu_tenths: int, memory_tenths: int) -> Items:
    return {
        "cpu": [("cpu.max", f"{cpu_tenths * PERIOD // 10} {PERIOD}")],
        "memory": [
            ("memory.max", str(_memory_bytes(memory_tenths))),
            ("-memory.swap.max", "0"),
            ("memory.oom.group", "1"),
        ],
        "pids": [("pids.max", str(MAX_PROCESSES))],
    }[controller]


def _memory_bytes(tenths: int) -> int:
    return (tenths << 30) // 10


def detect() -> Cgroups:
    """Try what there is by making a group and setting its limits, as an attempt would."""
    mounts = hierarchies()
    unified = [mount for mount in mounts if mount.version == 2]
    old = {name: m for m in mounts if m.version == 1 for name in CONTROLLERS if name in m.controllers}
    if old:
        return _detect_v1(old)
    if unified:
        return _detect_v2(unified[0])
    return Cgroups(0, {}, "none: no control groups are mounted, so CPU and memory are not enforced")


def _detect_v1(mounts: dict[str, Hierarchy]) -> Cgroups:
    parents = {}
    for controller, mount in mounts.items():
        parent = mount.top / "lattice"
        if _works(parent, _settings_v1(controller, 10, 10)):
            parents[controller] = parent
    return _described(1, parents, "version 1 is mounted, but the server may not make groups in it")


def _detect_v2(mount: Hierarchy) -> Cgroups:
    for top in dict.fromkeys((mount.top, mount.own)):
        parent = top / "lattice"
        if not _opens_children(top, parent):
            continue
        parents = {name: parent for name in CONTROLLERS if _works(parent, _settings_v2(name, 10, 10))}
        if parents:
            return _described(2, parents, "")
    return _described(2, {}, "version 2 is mounted, but no part of it is delegated to the server")


def _described(version: int, parents: dict[str, Path], why_none: str) -> Cgroups:
    if not parents:
        return Cgroups(0, {}, f"none: {why_none}, so CPU and memory are not enforced")
    return Cgroups(version, parents, f"v{version} ({', '.join(parents)})")


def _works(parent: Path, settings: Items) -> bool:
    probe = parent / f"probe-{os.getpid()}"
    try:
        probe.mkdir(parents=True, exist_ok=True)
        for name, value in settings:
            if not name.startswith("-"):
                (probe / name).write_text(value)
    except OSError:
        return False
    finally:
        with contextlib.suppress(OSError):
            probe.rmdir()
    return True


def _opens_children(top: Path, parent: Path) -> bool:
    """Let children of `top` and of `parent` have controllers; the server moves into a leaf where it is in the way."""
    wanted = " ".join(f"+{name}" for name in CONTROLLERS)
    try:
        parent.mkdir(exist_ok=True)
        try:
            (top / "cgroup.subtree_control").write_text(wanted)
        except OSError:
            _move_to_leaf(top)
            (top / "cgroup.subtree_control").write_text(wanted)
        (parent / "cgroup.subtree_control").write_text(wanted)
    except OSError:
        return False
    return True


def _move_to_leaf(top: Path) -> None:
    """A version 2 group with processes in it can't limit children; ours may be moved, anybody else's may not."""
    inside = {int(pid) for pid in (top / "cgroup.procs").read_text().split()}
    if not inside <= _family():
        raise PermissionError("other processes live in this control group")
    leaf = top / "lattice-server"
    leaf.mkdir(exist_ok=True)
    for pid in inside:
        (leaf / "cgroup.procs").write_text(str(pid))


def _family() -> set[int]:
    """This process and those that started it, up to a container's first process."""
    family, pid = set(), os.getpid()
    while pid > 0:
        family.add(pid)
        pid = int(Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[1])
    return family


def hierarchies() -> list[Hierarchy]:
    own = _own_paths()
    found = []
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        left, _, right = line.partition(" - ")
        kind, _, options = right.split(" ", 2)
        if kind not in ("cgroup", "cgroup2"):
            continue
        root, point = left.split()[3:5]
        names = frozenset(options.split(",")) if kind == "cgroup" else frozenset()
        path = next((own[name] for name in sorted(names) if name in own), "/") if names else own.get("", "/")
        found.append(Hierarchy(1 if names else 2, names, Path(point), _inside(Path(point), root, path)))
    return found


def _own_paths() -> dict[str, str]:
    """Controller ("" for version 2) → the server's group, from /proc/self/cgroup."""
    paths = {}
    file = Path("/proc/self/cgroup")
    for line in file.read_text().splitlines() if file.exists() else ():  # a kernel may lack control groups
        _, names, path = line.split(":", 2)
        paths.update(dict.fromkeys(names.split(","), path))
    return paths


def _inside(point: Path, root: str, path: str) -> Path:
    """A container sees its own group as the mount's root; paths from outside are cut to it."""
    if root != "/" and path.startswith(root):
        path = path[len(root) :]
    inside = point / path.lstrip("/")
    return inside if inside.is_dir() else point


@cache
def own_limits() -> Limits:
    cpus: list[float] = []
    memory: list[int] = []
    for mount in hierarchies():
        for folder in _ways_up(mount):
            cpus += _cpu_quota(folder)
            memory += _numbers(folder / "memory.max", folder / "memory.limit_in_bytes")
    bounded = [value for value in memory if value < UNLIMITED]
    return Limits(min(cpus, default=None), min(bounded, default=None))


def _ways_up(mount: Hierarchy) -> list[Path]:
    return [way for way in (mount.own, *mount.own.parents) if way == mount.top or mount.top in way.parents]


def _cpu_quota(folder: Path) -> list[float]:
    with contextlib.suppress(OSError, ValueError):
        quota, period = (folder / "cpu.max").read_text().split()
        return [int(quota) / int(period)]
    with contextlib.suppress(OSError, ValueError):
        quota, period = ((folder / f"cpu.cfs_{name}_us").read_text() for name in ("quota", "period"))
        return [int(quota) / int(period)] if int(quota) > 0 else []
    return []


def _numbers(*paths: Path) -> list[int]:
    found = []
    for path in paths:
        with contextlib.suppress(OSError, ValueError):
            found.append(int(path.read_text()))
    return found

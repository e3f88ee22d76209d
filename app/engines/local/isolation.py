"""How a job is kept apart: which ways this machine offers, and the commands of each.

Nothing that a job says (its variables, its scripts) may reach a program that runs outside of the job's own bounds.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from app.engines.local.container import find_tool
from app.engines.local.folders import Folders
from app.engines.protocol import Isolation

SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/etc", "/opt", "/sys", "/nix/store")
GPU_DEVICES = ("nvidia", "dri", "kfd", "infiniband")
PROBE_SECONDS = 20


def available_isolations(folders: Folders) -> dict[Isolation, str | None]:
    """Isolation → None where it can be used, else a sentence that says why not and what would help."""
    return {
        Isolation.NONE: None,
        Isolation.USER: _why_no_user(folders),
        Isolation.BUBBLEWRAP: _why_no_bubblewrap(),
        Isolation.CONTAINER: find_tool().why_not,
    }


def _why_no_user(folders: Folders) -> str | None:
    if os.geteuid() != 0:
        return "A separate user for each job needs the server to run as root."
    standing = next(path for path in (folders.outside, *folders.outside.parents) if path.exists())
    if folders.is_closed and not os.access(standing, os.W_OK):
        return f"Other users can't pass through to {folders.home}, and {standing} can't be written."
    return None


def _why_no_bubblewrap() -> str | None:
    if not shutil.which("bwrap"):
        return "Bubblewrap is not installed; install the package bubblewrap."
    probe = [*bubblewrap_argv(), "true"]
    try:
        run = subprocess.run(probe, capture_output=True, text=True, timeout=PROBE_SECONDS, check=False, cwd="/")
    except subprocess.TimeoutExpired:
        return f"Bubblewrap did not start a program within {PROBE_SECONDS} seconds."
    return f"Bubblewrap can't start a program here: {run.stderr.strip()[:300]}." if run.returncode else None


def bubblewrap_argv(
    work: Path | None = None,
    *,
    writable: Sequence[Path] = (),
    read_only: Sequence[Path] = (),
    hidden: Path | None = None,
) -> list[str]:
    """The system read-only, own /tmp, own processes; nothing else of the machine's files but what is named.

    `hidden` is emptied where it lies inside a system folder; the others are shown at the paths that they have outside.
    """
    argv = [shutil.which("bwrap") or "bwrap", "--die-with-parent", "--unshare-pid", "--unshare-ipc"]
    for name in SYSTEM:
        argv += _system_folder(Path(name))
    argv += ["--proc", "/proc", "--dev", "/dev", *_resolver()]
    for scratch in ("/tmp", "/var/tmp", "/dev/shm"):  # noqa: S108
        argv += ["--perms", "1777", "--tmpfs", scratch]
    if hidden and any(Path(name) in hidden.parents for name in SYSTEM):
        argv += ["--perms", "0755", "--tmpfs", str(hidden)]
    for device in sorted(Path("/dev").iterdir()):
        if device.name.startswith(GPU_DEVICES):
            argv += ["--dev-bind", str(device), str(device)]
    for path in (*read_only, *writable):
        for parent in reversed(path.parents[:-1]):  # made by --dir, because those made by a bind are closed to users
            argv += ["--dir", str(parent)]
        argv += ["--bind" if path in writable else "--ro-bind", str(path), str(path)]
    return [*argv, *(["--chdir", str(work)] if work else []), "--"]


def _system_folder(path: Path) -> list[str]:
    if path.is_symlink():  # a merged /usr
        return ["--symlink", str(path.readlink()), str(path)]
    return ["--ro-bind", str(path), str(path)] if path.is_dir() else []


def _resolver() -> list[str]:
    """What /etc/resolv.conf points to, where that lies outside of /etc."""
    target = Path("/etc/resolv.conf").resolve()
    if Path("/etc") in target.parents or not target.exists():
        return []
    return ["--ro-bind", str(target), str(target)]


def drop_to(uid: int, groups: Sequence[int]) -> list[str]:
    """A command before a command: run it as that user, with no way back."""
    names = ["--groups", ",".join(map(str, groups))] if groups else ["--clear-groups"]
    setpriv = shutil.which("setpriv") or "/usr/bin/setpriv"
    return [setpriv, "--reuid", str(uid), "--regid", str(uid), *names, "--no-new-privs", "--"]


def gpu_groups() -> list[int]:
    """Groups without which a user can't open the GPUs' device files."""
    groups = set()
    for device in Path("/dev").iterdir():
        if device.name.startswith("nvidia") and not device.is_dir():
            status = device.stat()
            if status.st_gid and status.st_mode & 0o006 != 0o006:
                groups.add(status.st_gid)
    return sorted(groups)

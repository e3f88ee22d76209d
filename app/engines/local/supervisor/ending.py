"""Why an attempt ended, told from what was really seen, and what is tidied up behind it."""

import posix
import time

from app.engines.local.supervisor.files import Spec
from app.engines.local.supervisor.ipc import remove_ipc
from app.engines.local.supervisor.log import Log
from app.engines.local.supervisor.process import KILL, oom_kills

SCARCE = 1 << 20  # bytes free, below which a failing end is put down to the full disk
BY_ORDER = {"max_duration": "timed_out", "disk_full": "disk_full"}
NO_SPACE = (b"No space left on device", b"Disk quota exceeded")


def memory_cause(spec: Spec, status: int, machine_ooms: int, seen: bool) -> str:
    """One sentence where memory ran out, else nothing. Only kernels' own counts are believed."""
    events = spec.get("oom_file")
    if seen or (events and oom_kills(events[0])):
        return "It used more memory than it holds."
    killed = posix.WIFSIGNALED(status) and posix.WTERMSIG(status) == KILL
    shell_saw = posix.WIFEXITED(status) and posix.WEXITSTATUS(status) == 128 + KILL
    if (killed or shell_saw) and oom_kills("/proc/vmstat") > machine_ooms:
        return "The machine ran out of memory while it ran."
    return ""


def is_disk_full(log: Log, work: bytes) -> bool:
    if any(words in log.last for words in NO_SPACE):
        return True
    for path in (b".", work):
        try:
            disk = posix.statvfs(path)
        except OSError:
            continue  # the job has removed its folder
        if disk.f_bavail * disk.f_frsize < SCARCE or (disk.f_files and not disk.f_favail):
            return True
    return False


def plain_cause(status: int, in_setup: bool) -> tuple[str, str]:
    code = posix.WEXITSTATUS(status) if posix.WIFEXITED(status) else None
    if in_setup and status:
        return "setup_failed", "A command in it was not found." if code == 127 else ""
    if code == 127:
        return "command_not_found", ""
    if code is not None and 128 < code < 160:
        return "exited", f"The shell says that its last command was ended by signal {code - 128}."
    return ("signaled" if code is None else "exited"), ""


def tidy(spec: Spec) -> None:
    """Leave nothing of the job on the machine but its folders, and these closed."""
    for uid in spec.get("owner", ()):
        remove_ipc(int(uid))
    for folder in reversed(spec.get("cgroup", [])):
        remove_cgroup(folder)
    for path in spec.get("close", ()):
        try:
            posix.chmod(path, 0o700)
            posix.chown(path, posix.geteuid(), posix.getegid())
        except OSError:
            continue  # somebody has removed it already
    for path in spec.get("remove", []) + spec.get("lease", []):  # from then on its user may be another job's
        try:
            posix.unlink(path)
        except OSError:
            continue


def remove_cgroup(folder: bytes) -> None:
    for pause in (0, 0.001, 0.01, 0.05, 0.2):
        time.sleep(pause)  # the kernel lets go of a control group a moment after its last process
        try:
            return posix.rmdir(folder)
        except FileNotFoundError:
            return None
        except OSError:
            continue

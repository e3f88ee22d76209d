"""Shared memory, semaphores and message queues outlive the processes that made them: POSIX's files and System V's.

Left behind, they would hold the machine's memory for ever, and the next job with the same user would find them.
"""

import posix
import stat

from app.engines.local.supervisor.files import read_file
from app.engines.local.supervisor.process import ask_libc, stat_of

SHARED_MEMORY = "/dev/shm"  # noqa: S108
SYSTEM_V = (("shm", 7, "shmctl"), ("sem", 4, "semctl"), ("msg", 7, "msgctl"))  # list, its column of the user, function
REMOVE = 0  # IPC_RMID
DEEPEST_SHARED = 100  # folders within one another


def remove_ipc(uid: int) -> None:
    """Remove what belongs to that user, unless a process of it lives: then another server gave out the same number."""
    files = files_of(uid)
    objects = [(call, number) for kind, column, call in SYSTEM_V for number in system_v_of(kind, column, uid)]
    if not (files or objects) or has_processes(uid):
        return
    for call, number in objects:
        ask_libc(call, number, REMOVE, 0)
    if files:
        folder = posix.open(SHARED_MEMORY, posix.O_RDONLY | posix.O_DIRECTORY | posix.O_CLOEXEC)
        try:
            for name in files:
                remove_owned(folder, name, uid, DEEPEST_SHARED)
        finally:
            posix.close(folder)


def files_of(uid: int) -> list[str]:
    try:
        names = posix.listdir(SHARED_MEMORY)
    except OSError:
        return []
    return [name for name in names if owner_of(f"{SHARED_MEMORY}/{name}") == uid]


def owner_of(path: str) -> int:
    try:
        return posix.lstat(path).st_uid
    except OSError:
        return -1  # gone already


def system_v_of(kind: str, column: int, uid: int) -> list[int]:
    try:
        lines = read_file(f"/proc/sysvipc/{kind}").split(b"\n")[1:]
    except OSError:
        return []
    rows = [line.split() for line in lines if line]
    return [int(row[1]) for row in rows if int(row[column]) == uid]


def has_processes(uid: int) -> bool:
    mine = [int(name) for name in posix.listdir("/proc") if name.isdigit() and owner_of(f"/proc/{name}") == uid]
    return any(stat_of(pid) for pid in mine)  # one that has ended is only waited for


def remove_owned(folder: int, name: str, uid: int, depth: int) -> None:
    """A file or a folder with all in it. What is another user's stays, and no link is followed."""
    try:
        found = posix.stat(name, dir_fd=folder, follow_symlinks=False)
        if found.st_uid != uid or not depth:
            return
        if not stat.S_ISDIR(found.st_mode):
            return posix.unlink(name, dir_fd=folder)
        flags = posix.O_RDONLY | posix.O_DIRECTORY | posix.O_NOFOLLOW | posix.O_CLOEXEC
        inner = posix.open(name, flags, dir_fd=folder)
        try:
            for entry in posix.listdir(inner):
                remove_owned(inner, entry, uid, depth - 1)
        finally:
            posix.close(inner)
        posix.rmdir(name, dir_fd=folder)
    except OSError:
        return  # gone already, or not to be emptied

"""Unix users for jobs: a number that no account has, held by one attempt at a time.

The range lies between those that distributions give to accounts and to containers. A holder is a link in `home/uids`,
made in one step; the supervisor removes it at the end, and one that was left is taken over once its attempt is over.
"""

from __future__ import annotations

import os
import zlib
from pathlib import Path

from app.engines.local.folders import Folders
from app.engines.local.supervisor.ipc import remove_ipc
from app.engines.protocol import EngineError

FIRST, COUNT = 70_000, 10_000
DEEPEST = 200  # folders within one another; each that is being walked through takes an open file


def hold_uid(folders: Folders, attempt_id: str, job_id: str) -> int:
    """The job's own number where it is free, else the next one that is."""
    preferred = zlib.crc32(job_id.encode()) % COUNT
    for step in range(COUNT):
        uid = FIRST + (preferred + step) % COUNT
        if _hold(folders, lease_path(folders, uid), attempt_id):
            remove_ipc(uid)  # of a holder whose folder somebody removed, so that nobody else did it
            return uid
    raise EngineError(f"All {COUNT} users for jobs are in use.")


def lease_path(folders: Folders, uid: int) -> Path:
    return folders.uids / str(uid)


def _hold(folders: Folders, lease: Path, attempt_id: str) -> bool:
    try:
        lease.symlink_to(attempt_id)
    except FileExistsError:
        holder = os.readlink(lease)
        if holder == attempt_id:
            return True
        if not _is_over(folders, holder):
            return False
        lease.unlink(missing_ok=True)
        lease.symlink_to(attempt_id)
    return True


def _is_over(folders: Folders, holder: str) -> bool:
    folder = folders.attempts / holder
    return not folder.exists() or (folder / "ended").exists()


def give_folder(path: Path, uid: int) -> None:
    """Hand a folder to a user. Within it only what another job's user owned changes hands, links never followed."""
    os.chown(path, uid, uid)
    path.chmod(0o700)
    depth = str(path).count("/") + DEEPEST
    for at, folders, files, fd in os.fwalk(path, follow_symlinks=False):
        if at.count("/") > depth:
            raise EngineError(f"The job's folder nests more than {DEEPEST} folders deep.", retry=False)
        for name in (*folders, *files):
            owner = os.stat(name, dir_fd=fd, follow_symlinks=False).st_uid
            if owner != uid and FIRST <= owner < FIRST + COUNT:
                os.chown(name, uid, uid, dir_fd=fd, follow_symlinks=False)

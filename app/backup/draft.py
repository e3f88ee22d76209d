"""A file that has its name only when all of it is on the disk. Until then it is a draft beside it, private and locked.

A draft that nobody locks was left by a process that was killed; the next one of the same name removes it.
"""

from __future__ import annotations

import fcntl
import io
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import mkstemp

from app.backup.errors import BackupError

ENDING = ".part"


def target_of(file: Path) -> Path:
    """Where the file is written: what a link names is replaced, never the link, and only a regular file is."""
    if file.exists() and not file.is_file():
        raise BackupError(f"The backup can't be written to {file}: that is there and is not a regular file.")
    return Path(os.path.realpath(file))


@contextmanager
def draft_of(file: Path) -> Iterator[io.FileIO]:
    """Write into it what the file shall hold; an older file is replaced at the end, and by an error it is not."""
    _remove_left_over(file)
    descriptor, name = mkstemp(prefix=_beginning(file), suffix=ENDING, dir=file.parent)
    draft = Path(name)
    try:
        with open(descriptor, "wb", buffering=0) as raw:
            with suppress(OSError):  # a file system without locks: nothing is left over there that could be told
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield raw
            os.fsync(descriptor)
            draft.replace(file)
        _keep_name(file.parent)
    finally:
        draft.unlink(missing_ok=True)


def _beginning(file: Path) -> str:
    return f".{file.name}."


def _remove_left_over(file: Path) -> None:
    for entry in file.parent.iterdir():
        if entry.name.startswith(_beginning(file)) and entry.name.endswith(ENDING) and not entry.is_symlink():
            with suppress(OSError):
                _remove_unlocked(entry)


def _remove_unlocked(draft: Path) -> None:
    descriptor = os.open(draft, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        draft.unlink()
    finally:
        os.close(descriptor)


def _keep_name(folder: Path) -> None:
    """A new name is on the disk once its folder is."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

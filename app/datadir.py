"""The data folder: its lock, this host's id, and small files that are made once and kept private.

Two servers never share one. What lies in its `files` is reached through `stores/` alone.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
import socket
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Self

LOCK = "lock"
HOST_ID = "host-id"
ADDRESS = "address"
ENGINE = "local"


class DataDirError(Exception):
    """The data folder can't be used; the message is one sentence that names it."""


class DataDir:
    """A data folder that exists. `open` also locks it, `at` does not (for commands that run beside a server)."""

    def __init__(self, path: Path, lock: int | None = None) -> None:
        self.path = path
        self._lock = lock

    @classmethod
    def at(cls, path: Path) -> Self:
        """The folder, made with mode 0700 where there is none. An existing one keeps its mode."""
        try:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as wrong:
            raise DataDirError(f"The data folder {path} can't be made: {wrong.strerror}.") from None
        if not os.access(path, os.R_OK | os.W_OK | os.X_OK):
            raise DataDirError(f"The data folder {path} is not this user's to write in.")
        return cls(path.resolve())

    @classmethod
    def open(cls, path: Path) -> Self:
        """The folder, locked until `close` or the process's end. DataDirError says who holds it."""
        folder = cls.at(path)
        folder._lock = _locked(folder.path / LOCK, shown=path)
        return folder

    def close(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    @property
    def files(self) -> Path:
        """Where the store is, unless another is set."""
        return self.path / "files"

    @property
    def engine(self) -> Path:
        """Where this machine's jobs are: what runs now, and what it leaves. It is the machine's, not the database's."""
        return self.path / ENGINE

    @property
    def was_used(self) -> bool:
        """Whether a server has run on it."""
        return (self.path / HOST_ID).exists()

    @property
    def host_id(self) -> str:
        """This host's own name, the same at every start on this folder: 16 characters."""
        return self.keep(HOST_ID, lambda: secrets.token_hex(8))

    @property
    def address(self) -> str | None:
        """Where the last server on this folder said that it is; None before the first."""
        try:
            return (self.path / ADDRESS).read_text().strip() or None
        except OSError:
            return None

    def tell_address(self, url: str) -> None:
        """For commands, which may have been started with another PORT. A full disk keeps no server from starting."""
        with suppress(OSError):
            (self.path / ADDRESS).write_text(url + "\n")

    def keep(self, name: str, make: Callable[[], str]) -> str:
        """The text in the private file `name`, which is made, whole or not at all, where there is none."""
        path = self.path / name
        try:
            if not path.exists():
                _create(path, make())
            return path.read_text().strip()
        except OSError as wrong:
            raise DataDirError(f"{path} can't be used: {wrong.strerror}.") from None


def free_fraction(path: Path) -> float:
    """How much of the disk on which that folder is, or will be, is free to this process, from 0 to 1."""
    disk = shutil.disk_usage(next(way for way in (path, *path.parents) if way.exists()))
    return disk.free / disk.total if disk.total else 0.0


def _create(path: Path, text: str) -> None:
    """Write the file with mode 0600 and give it its name only when it is on the disk; an existing one stays."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(text + "\n")
            file.flush()
            os.fsync(file.fileno())
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()


def _locked(path: Path, *, shown: Path) -> int:
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as wrong:
        raise DataDirError(f"The data folder {shown} can't be locked: {wrong.strerror}.") from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        holder = os.pread(descriptor, 300, 0).decode("utf-8", "replace").strip() or "another process"
        os.close(descriptor)
        raise DataDirError(f"The data folder {shown} is in use by {holder}; stop that one first.") from None
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"process {os.getpid()} on {socket.gethostname()}\n".encode(), 0)
    return descriptor

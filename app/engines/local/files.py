"""The folders and small files of the local engine, and how they are written so that a crash leaves nothing half made.

    home/attempts/ATTEMPT/    private: spec, env, ctl, out/, claim, stop, stopping, ended
    home/work/ATTEMPT/        the job's: control/ (its scripts, read-only to it) and work/
    home/checkpoints/JOB/     what outlives attempts; of jobs in containers home/boxed/checkpoints/JOB/

Where other users can't reach `home`, the last two of a job with a user of its own are in a folder outside of it.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

from app.engines.protocol import EngineError, Isolation

SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")


class Folders:
    def __init__(self, home: Path, outside: Path) -> None:
        self.home = home.absolute()
        self.attempts = self.home / "attempts"
        self.uids = self.home / "uids"
        self.boxed = self.home / "boxed"  # closed: what lies in it is open to whoever an image runs as
        for path in (self.home, self.attempts, self.uids, self.boxed, self.boxed / "checkpoints"):
            path.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.outside = outside / hashlib.sha256(os.fsencode(self.home)).hexdigest()[:16]
        self.is_closed = closed_ancestor(self.home.parent) is not None
        _make_passable(self.home)

    def attempt(self, attempt_id: str) -> Path:
        return self.attempts / safe(attempt_id)

    def job_side(self, attempt_id: str, *, for_user: bool) -> Path:
        return self._root(for_user) / "work" / safe(attempt_id)

    def job_sides(self, attempt_id: str) -> list[Path]:
        """Where the job's part of an attempt can be, whatever its isolation was."""
        return [root / "work" / safe(attempt_id) for root in (self.home, self.outside)]

    def checkpoints(self, job_id: str, isolation: Isolation) -> Path:
        """Where they are or belong; a change of the pool's isolation must not lose them."""
        inside, outside, boxed = self.all_checkpoints(job_id)
        if isolation is not Isolation.CONTAINER and outside.exists():
            return outside
        root = self._root(isolation is Isolation.USER)
        wanted = boxed if isolation is Isolation.CONTAINER else root / "checkpoints" / job_id
        for path in (inside, outside, boxed):
            if path != wanted and path.exists():
                shutil.move(path, wanted)
        return wanted

    def all_checkpoints(self, job_id: str) -> list[Path]:
        return [root / "checkpoints" / safe(job_id) for root in (self.home, self.outside, self.boxed)]

    def _root(self, for_user: bool) -> Path:
        """The folder under which a job's own files go; made when it is first wanted."""
        if not (for_user and self.is_closed):
            return self.home
        self.outside.parent.mkdir(parents=True, exist_ok=True, mode=0o711)
        _make_passable(self.outside)
        return self.outside


def _make_passable(root: Path) -> None:
    """Others may pass through to what is theirs, and list nothing."""
    for path in (root, root / "work", root / "checkpoints"):
        path.mkdir(exist_ok=True)
        path.chmod(0o711)


def safe(name: str) -> str:
    """The name, if it can be a file's; ids come from our own database, so another one is a mistake."""
    if not SAFE_NAME.fullmatch(name):
        raise EngineError(f"{name!r} can't be the name of a folder.", retry=False)
    return name


def closed_ancestor(path: Path) -> Path | None:
    """The first folder on the way to `path` that other users can't pass through."""
    ways = [*reversed(path.parents), path]
    return next((way for way in ways if way.exists() and not way.stat().st_mode & 0o001), None)


def write_items(path: Path, items: Iterable[tuple[str, str]]) -> None:
    """NUL-ended `key=value` items, as the supervisor reads them."""
    _write(path, "".join(f"{key}={value}\0" for key, value in items), 0o600)


def read_items(path: Path) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    with contextlib.suppress(FileNotFoundError):
        for item in os.fsdecode(path.read_bytes()).split("\0")[:-1]:
            key, _, value = item.partition("=")
            found.setdefault(key, []).append(value)
    return found


def read_record(path: Path) -> dict[str, str] | None:
    """Lines of `key value`, or None where there is no such file."""
    try:
        text = path.read_text(errors="replace")
    except FileNotFoundError:
        return None
    return {key: value for key, _, value in (line.partition(" ") for line in text.splitlines())}


def write_record(path: Path, record: dict[str, str]) -> None:
    """Durable, and never seen half written; nothing is left of one for which there is no room."""
    new = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        with new.open("w") as file:
            os.fchmod(file.fileno(), 0o600)
            file.writelines(f"{key} {value}\n" for key, value in record.items())
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
    except OSError:
        new.unlink(missing_ok=True)
        raise


def write_script(path: Path, text: str, owner: int | None) -> None:
    """A file that the job may read and not change, and nobody else may see."""
    _write(path, text, 0o640)
    if owner is not None:
        os.chown(path, 0, owner)


def _write(path: Path, text: str, mode: int) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
    with os.fdopen(fd, "wb") as file:
        file.write(os.fsencode(text))
        os.fchmod(file.fileno(), mode)


def remove_tree(path: Path) -> None:
    """Remove a folder with all in it; one that is not there is fine. Links are removed, never followed.

    Raises OSError for what can't be removed.
    """
    try:
        shutil.rmtree(path)
    except (OSError, RecursionError):  # a job closed folders to itself, or nested them deeper than Python counts
        for command in (("chmod", "-R", "u+rwX"), ("rm", "-rf")):
            subprocess.run([*command, "--", str(path)], capture_output=True, check=False)
        if os.path.lexists(path):
            raise OSError(errno.ENOTEMPTY, "some of it can't be removed", str(path)) from None

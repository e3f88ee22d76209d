"""The folders of the local engine.

    home/attempts/ATTEMPT/    private: spec, env, ctl, out/, claim, stop, stopping, ended
    home/work/ATTEMPT/        the job's: control/ (its scripts, read-only to it) and work/
    home/checkpoints/JOB/     what outlives attempts; of jobs in containers home/boxed/checkpoints/JOB/

Where other users can't reach `home`, the last two of a job with a user of its own are in a folder outside of it.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import secrets
import shutil
from pathlib import Path

from app.engines.local.files import read_record, write_record
from app.engines.protocol import EngineError, Isolation

SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")
NOTE = "outside"  # in `home`: the name of the folder outside, and the `home` that it was noted for


class Folders:
    def __init__(self, home: Path, outside: Path) -> None:
        self.home = home.absolute()
        self.outside = _outside_of(self.home, outside)
        self.attempts = self.home / "attempts"
        self.uids = self.home / "uids"
        self.boxed = self.home / "boxed"  # closed: what lies in it is open to whoever an image runs as
        for path in (self.home, self.attempts, self.uids, self.boxed, self.boxed / "checkpoints"):
            path.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.is_closed = closed_ancestor(self.home.parent) is not None
        _make_passable(self.home)

    def attempt(self, attempt_id: str) -> Path:
        return self.attempts / safe(attempt_id)

    def unended(self) -> list[str]:
        """The attempts whose end is not written. Another's things in the folder are let be."""
        with contextlib.suppress(OSError), os.scandir(self.attempts) as entries:
            ours = [entry for entry in entries if SAFE_NAME.fullmatch(entry.name) and entry.is_dir()]
            return [entry.name for entry in ours if not os.path.exists(os.path.join(entry.path, "ended"))]
        return []

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


def _outside_of(home: Path, root: Path) -> Path:
    """The folder under `root` that belongs to `home`. It goes with a home that is moved, and not with a copy of it.

    A home of before names were noted has the one that its path gives it.
    """
    noted = read_record(home / NOTE) or {}
    name, noted_for = noted.get("name", ""), Path(noted.get("home", home))
    if not name and (home / "attempts").exists():
        name = hashlib.sha256(os.fsencode(home)).hexdigest()[:16]
    elif not name or _is_named(noted_for, name, but=home):
        name = secrets.token_hex(8)
    if noted != (now := {"name": name, "home": str(home)}):
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_record(home / NOTE, now)
    return root / name


def _is_named(home: Path, name: str, *, but: Path) -> bool:
    """Whether that home, another than `but`, has the folder of this name for its own."""
    try:
        return not home.samefile(but) and (read_record(home / NOTE) or {}).get("name") == name
    except OSError:
        return False  # it is gone, or nobody's who can be asked


def safe(name: str) -> str:
    """The name, if it can be a file's; ids come from our own database, so another one is a mistake."""
    if not SAFE_NAME.fullmatch(name):
        raise EngineError(f"{name!r} can't be the name of a folder.", retry=False)
    return name


def closed_ancestor(path: Path) -> Path | None:
    """The first folder on the way to `path` that other users can't pass through."""
    ways = [*reversed(path.parents), path]
    return next((way for way in ways if way.exists() and not way.stat().st_mode & 0o001), None)

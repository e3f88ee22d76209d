"""Renames that are taken back where one of them, or what comes after, fails. What is moved aside is never removed."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from tempfile import mkdtemp

from app.backup.errors import BackupError
from app.db import utcnow


class Moves:
    """What was renamed so far. `waste` is a folder for what lies in the way of taking back; it is the caller's."""

    def __init__(self, waste: Path) -> None:
        self._waste = waste
        self._done: list[tuple[Path, Path]] = []
        self._asides: dict[Path, Path] = {}

    @property
    def asides(self) -> list[Path]:
        """Where the things are that were moved aside."""
        return list(self._asides.values())

    def move(self, source: Path, target: Path) -> None:
        """Both on one file system, and nothing at `target`."""
        source.rename(target)
        self._done.append((source, target))

    def set_aside(self, path: Path) -> None:
        """Into a folder beside it, so that it stays on its file system."""
        aside = self._asides.get(path.parent)
        if aside is None:
            aside = Path(mkdtemp(prefix=f"before-restore-{utcnow():%Y-%m-%d}-", dir=path.parent))
            self._asides[path.parent] = aside
        self.move(path, aside / path.name)

    def take_back(self) -> None:
        """All to where it was. BackupError names where the old things are if that fails."""
        try:
            while self._done:
                source, target = self._done[-1]
                self._clear(source)
                target.rename(source)
                self._done.pop()
        except OSError as wrong:
            where = " and ".join(map(str, self.asides))
            raise BackupError(
                f"The restore failed, and what was there can't be put back ({wrong.strerror}): it is in {where}."
            ) from None
        for aside in self.asides:
            with suppress(OSError):
                aside.rmdir()

    def _clear(self, path: Path) -> None:
        """What is at a place that was left is the failed restore's."""
        if path.exists():
            path.rename(self._waste / f"undone-{len(self._done)}")

"""The small files of the local engine, and how they are written so that a crash leaves nothing half made."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path


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
        text = path.read_text("utf-8", "surrogateescape")
    except FileNotFoundError:
        return None
    return {key: value for key, _, value in (line.partition(" ") for line in text.splitlines())}


def write_record(path: Path, record: dict[str, str]) -> None:
    """Durable, and never seen half written; nothing is left of one for which there is no room."""
    new = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        with new.open("w", encoding="utf-8", errors="surrogateescape") as file:
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

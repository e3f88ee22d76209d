"""One encrypted file with all that a server keeps: database, logs, keys. Written beside a serving server.

Inside is a tar: `manifest.json`, `database`, `keys/…`, `host-id`, `files/KEY` for each object of the store. The
database is copied first and the store after it, so a log's size in the copy never exceeds the bytes that were copied.
"""

from __future__ import annotations

import fcntl
import io
import json
import os
import shutil
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from app import __version__, migrate
from app.backup import databases
from app.backup.draft import draft_of, target_of
from app.backup.errors import BackupError
from app.backup.sealed_file import SealedWriter
from app.datadir import HOST_ID, DataDir
from app.db import utcnow
from app.keyring import COOKIE_PASSWORDS, SECRET_KEYS, Keyring, cookie_passwords
from app.settings import Settings
from app.stores.objects import NoSuchObject, ObjectStore, Stored, open_store

FORMAT = 1
MANIFEST, DATABASE, FILES = "manifest.json", "database", "files"
BACKUP_STAGE = ".backup"
PIECE = 8 << 20


def back_up(settings: Settings, folder: DataDir, file: Path, passphrase: str) -> int:
    """Write the backup; its size in bytes. The file has its name only when it is complete."""
    if migrate.is_needed(settings.database):
        raise BackupError("The database's schema is not this version's; run `lattice server migrate` first.")
    try:
        target = target_of(file)
        with staging(folder, BACKUP_STAGE) as stage, draft_of(target) as raw:
            _write(settings, folder, stage, raw, passphrase)
            return raw.tell()
    except OSError as wrong:
        raise BackupError(f"The backup can't be written to {file}: {wrong.strerror or wrong}.") from None


def _write(settings: Settings, folder: DataDir, stage: Path, raw: io.FileIO, passphrase: str) -> None:
    now = utcnow()
    databases.snapshot(settings.database, stage / DATABASE)
    with SealedWriter(raw, passphrase) as sealed, tarfile.open(fileobj=sealed, mode="w|") as tar:
        manifest = {
            "format": FORMAT,
            "lattice": __version__,
            "made_at": now.isoformat(),
            "database": databases.kind_of(settings.database),
            "schema": migrate.head(),
        }
        _add(tar, MANIFEST, json.dumps(manifest).encode(), now)
        with (stage / DATABASE).open("rb") as copy:
            tar.addfile(_entry(DATABASE, (stage / DATABASE).stat().st_size, now), copy)
        for name, text in _small_files(settings, folder):
            _add(tar, name, text.encode(), now)
        _add_objects(tar, open_store(settings.lattice_store or folder.files), now)


def _small_files(settings: Settings, folder: DataDir) -> Iterator[tuple[str, str]]:
    yield f"keys/{SECRET_KEYS}", "\n".join(Keyring.load(settings, folder).keys) + "\n"
    yield f"keys/{COOKIE_PASSWORDS}", "\n".join(cookie_passwords(settings, folder)) + "\n"
    yield HOST_ID, folder.host_id + "\n"


def _add_objects(tar: tarfile.TarFile, store: ObjectStore, now: datetime) -> None:
    for stored in store.list():
        try:
            first = store.get_range(stored.key, 0, min(stored.size, PIECE))
        except NoSuchObject:
            continue  # a log's retention or cut was quicker
        tar.addfile(_entry(f"{FILES}/{stored.key}", stored.size, now), _ObjectReader(store, stored, first))


def _add(tar: tarfile.TarFile, name: str, data: bytes, now: datetime) -> None:
    tar.addfile(_entry(name, len(data), now), io.BytesIO(data))


def _entry(name: str, size: int, now: datetime) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode, entry.mtime = size, 0o600, int(now.timestamp())
    return entry


class _ObjectReader(io.RawIOBase):
    """An object of the store as the file that tar reads, up to the size that it had when it was listed."""

    def __init__(self, store: ObjectStore, stored: Stored, first: bytes) -> None:
        self._store, self._stored, self._ahead = store, stored, first
        self._at = 0

    def read(self, size: int = -1) -> bytes:
        if not self._ahead and self._at < self._stored.size:
            length = min(PIECE, self._stored.size - self._at)
            self._ahead = self._store.get_range(self._stored.key, self._at, length)
        data = self._ahead if size < 0 else self._ahead[:size]
        self._ahead = self._ahead[len(data) :]
        self._at += len(data)
        return data


@contextmanager
def staging(folder: DataDir, name: str) -> Iterator[Path]:
    """A private folder inside the data folder, empty at first and removed at the end; one user at a time."""
    stage = folder.path / name
    stage.mkdir(mode=0o700, exist_ok=True)
    held = os.open(stage, os.O_RDONLY | os.O_DIRECTORY)
    try:
        _hold(held, folder)
        try:
            _empty(stage)  # of what a crash left
            yield stage
        finally:
            shutil.rmtree(stage, ignore_errors=True)
    finally:
        os.close(held)


def _hold(stage: int, folder: DataDir) -> None:
    try:
        fcntl.flock(stage, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise BackupError(f"Another backup or restore is at work in {folder.path}.") from None


def _empty(folder: Path) -> None:
    for entry in folder.iterdir():
        if entry.is_dir():
            shutil.rmtree(entry)
        else:
            entry.unlink()

"""Puts a backup in its place: first decrypted and verified whole beside what is there, then moved.

Nothing that was there is removed: with --force it is moved aside, except the contents of a PostgreSQL database. What
can fail for want of room is done before the first move, and where a move fails all is put back as it was.
"""

from __future__ import annotations

import json
import os
import shutil
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkstemp

from app import migrate
from app.backup import databases
from app.backup.archive import BACKUP_STAGE, DATABASE, FILES, FORMAT, MANIFEST, staging
from app.backup.at_work import refuse_served
from app.backup.errors import BackupError
from app.backup.moves import Moves
from app.backup.owner import give_to_owner_of, make_folder
from app.backup.sealed_file import SealedReader
from app.datadir import ENGINE, HOST_ID, LOCK, DataDir
from app.keyring import COOKIE_PASSWORDS, SECRET_KEYS
from app.settings import Settings, SettingsError
from app.stores.objects import KEY, FolderStore, ObjectStore, open_store

STAGE = ".restore"
SMALL_FILES = {f"keys/{SECRET_KEYS}": SECRET_KEYS, f"keys/{COOKIE_PASSWORDS}": COOKIE_PASSWORDS, HOST_ID: HOST_ID}
# The jobs that run on this machine stay where they are: those that the backup knows are found again, not lost and
# started a second time beside the first.
NOT_OURS = {LOCK, STAGE, BACKUP_STAGE, ENGINE, "lost+found"}
PROBE = "restore-probe"
BESIDE_SQLITE = ("", "-wal", "-shm")


@dataclass(frozen=True, slots=True)
class _Manifest:
    made_at: str
    database: str
    schema: str


def restore(settings: Settings, folder: DataDir, file: Path, passphrase: str, *, force: bool) -> Iterator[str]:
    """Restore into the data folder, which the caller has locked; yields what to tell. Raises BackupError."""
    if not force:
        _refuse_full(settings, folder)
    with staging(folder, STAGE) as stage:
        manifest = _unpack(file, passphrase, stage)
        _verify(settings, manifest, stage)
        _check_store(settings, folder)
        if manifest.database == "postgresql":
            refuse_served(settings.database)
        asides = _replace(settings, folder, stage)
    yield f"Restored the backup of {manifest.made_at}."
    if asides:
        yield f"What was there is in {' and '.join(map(str, asides))}."
    if settings.lattice_secret_keys or settings.auth_cookie_password:
        yield (
            f"The backup's keys are in {folder.path / SECRET_KEYS} and {folder.path / COOKIE_PASSWORDS}; "
            "LATTICE_SECRET_KEYS and AUTH_COOKIE_PASSWORD, where set, are used instead and must hold them."
        )


def _refuse_full(settings: Settings, folder: DataDir) -> None:
    if _entries(folder):
        raise BackupError(f"The data folder {folder.path} is not empty; restore into an empty one, or use --force.")
    if not databases.is_empty(settings.database):
        raise BackupError("The database at DATABASE_URL is not empty; restore into an empty one, or use --force.")


def _entries(folder: DataDir) -> list[Path]:
    return [entry for entry in folder.path.iterdir() if entry.name not in NOT_OURS]


def _unpack(file: Path, passphrase: str, stage: Path) -> _Manifest:
    try:
        with file.open("rb") as raw, SealedReader(raw, passphrase) as sealed:
            with tarfile.open(fileobj=sealed, mode="r|") as tar:
                for entry in tar:
                    _unpack_entry(tar, entry, stage)
            sealed.read()  # to the end, so that a backup that was cut off is noticed
    except tarfile.TarError as wrong:
        raise BackupError(f"The backup can't be read: {wrong}.") from None
    except OSError as wrong:
        raise BackupError(f"{file} can't be restored: {wrong.strerror or wrong}.") from None
    return _manifest(stage / MANIFEST)


def _unpack_entry(tar: tarfile.TarFile, entry: tarfile.TarInfo, stage: Path) -> None:
    object_key = entry.name.removeprefix(f"{FILES}/")
    is_object = object_key != entry.name and KEY.fullmatch(object_key)
    content = tar.extractfile(entry) if entry.isfile() else None
    if content is None or not (is_object or entry.name in {MANIFEST, DATABASE, *SMALL_FILES}):
        raise BackupError(f"The backup holds {entry.name!r}, which this version does not know.")
    target = stage / entry.name
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with target.open("xb") as out:
        target.chmod(0o600)
        shutil.copyfileobj(content, out, 1 << 20)


def _manifest(file: Path) -> _Manifest:
    try:
        found = json.loads(file.read_bytes())
        if found["format"] == FORMAT:
            return _Manifest(str(found["made_at"]), str(found["database"]), str(found["schema"]))
    except (OSError, ValueError, KeyError, TypeError):
        raise BackupError("The backup has no manifest; it was not made by `lattice server backup`.") from None
    raise BackupError(f"The backup's format is {found['format']!r}; this version reads {FORMAT}.")


def _verify(settings: Settings, manifest: _Manifest, stage: Path) -> None:
    wanted = databases.kind_of(settings.database)
    if manifest.database != wanted:
        raise BackupError(f"The backup is of a {manifest.database} database, but DATABASE_URL names {wanted}.")
    if not migrate.knows(manifest.schema):
        raise BackupError(f"The backup is of a newer version of Lattice (schema {manifest.schema}); upgrade first.")
    missing = [name for name in (DATABASE, *SMALL_FILES) if not (stage / name).exists()]
    if missing:
        raise BackupError(f"The backup lacks {', '.join(missing)}.")
    databases.verify(manifest.database, stage / DATABASE)


def _check_store(settings: Settings, folder: DataDir) -> None:
    """Write to the store that LATTICE_STORE names, so that a wrong one is told before anything is touched."""
    if not settings.lattice_store:
        return
    try:
        if "://" not in settings.lattice_store:
            make_folder(Path(settings.lattice_store), folder.path)
        store = open_store(settings.lattice_store)
        store.put(PROBE, b"")
        store.delete(PROBE)
    except OSError as wrong:
        place = settings.lattice_store.split("?")[0]
        raise SettingsError(f"LATTICE_STORE is {place!r}, but that can't be opened: {wrong.strerror}.") from None


def _replace(settings: Settings, folder: DataDir, stage: Path) -> list[Path]:
    """Move aside what is there and put the backup in its place, or leave all as it was; where the old things are."""
    moves = Moves(stage)
    try:
        with _database_beside(settings, folder, stage) as database:
            _move_aside(settings, folder, moves)
            give_to_owner_of(folder.path, folder.path / LOCK, database, *stage.rglob("*"), *moves.asides)
            _put_in_place(settings, folder, stage, moves, database)
    except OSError as wrong:
        moves.take_back()
        why = wrong.strerror or wrong
        raise BackupError(f"The backup can't be put in place: {why}; what was there is as it was.") from None
    except BaseException:  # a signal too
        moves.take_back()
        raise
    return moves.asides


@contextmanager
def _database_beside(settings: Settings, folder: DataDir, stage: Path) -> Iterator[Path]:
    """The database's copy on the file system where it shall be, so that only a rename is left to do."""
    target = _sqlite_target(settings)
    if target is None or folder.path in target.parents:
        yield stage / DATABASE
        return
    make_folder(target.parent, folder.path)
    descriptor, name = mkstemp(prefix=f".{target.name}.", suffix=".restore", dir=target.parent)
    try:
        with open(descriptor, "wb") as copy, (stage / DATABASE).open("rb") as unpacked:
            shutil.copyfileobj(unpacked, copy, 1 << 20)
            copy.flush()
            os.fsync(descriptor)
        yield Path(name)
    finally:
        Path(name).unlink(missing_ok=True)


def _move_aside(settings: Settings, folder: DataDir, moves: Moves) -> None:
    there = _entries(folder)
    beside = [path for path in _sqlite_files(settings) if path.exists() and folder.path not in path.parents]
    for path in (*there, *beside):
        moves.set_aside(path)


def _put_in_place(settings: Settings, folder: DataDir, stage: Path, moves: Moves, database: Path) -> None:
    """The database last: a server that starts before it is there finds an empty place, not half of a backup."""
    for name, small_file in SMALL_FILES.items():
        moves.move(stage / name, folder.path / small_file)
    if settings.lattice_store:
        _put_objects(open_store(settings.lattice_store), stage / FILES, folder)
    elif (stage / FILES).exists():
        moves.move(stage / FILES, folder.files)
    target = _sqlite_target(settings)
    if target is None:
        databases.load_postgres(settings.database, database)  # all or nothing
    else:
        make_folder(target.parent, folder.path)
        moves.move(database, target)


def _put_objects(store: ObjectStore, files: Path, folder: DataDir) -> None:
    """Into a store outside of the data folder: objects of the same names are replaced, others are let be."""
    for file in files.rglob("*"):
        if file.is_file():
            store.put(file.relative_to(files).as_posix(), file.read_bytes())
    if isinstance(store, FolderStore):
        give_to_owner_of(folder.path, *(store.root / entry.relative_to(files) for entry in files.rglob("*")))


def _sqlite_target(settings: Settings) -> Path | None:
    if databases.kind_of(settings.database) != "sqlite":
        return None
    return databases.sqlite_path(settings.database).resolve()


def _sqlite_files(settings: Settings) -> list[Path]:
    path = _sqlite_target(settings)
    return [path.with_name(path.name + ending) for ending in BESIDE_SQLITE] if path else []

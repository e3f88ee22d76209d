"""Backups made and restored as the command does it, and what is looked at afterwards."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

from app.backup.archive import back_up
from app.backup.restoring import restore
from app.datadir import DataDir
from app.db import Database
from app.keyring import new_key
from app.settings import Settings
from app.site import Site

WORDS = "correct horse battery staple"
SECRETS: dict[str, Any] = {"lattice_secret_keys": (new_key(),), "auth_cookie_password": ("c" * 40,)}


def saved(site: Site, file: Path) -> Path:
    back_up(site.settings, site.datadir, file, WORDS)
    return file


def restored(settings: Settings, file: Path, passphrase: str = WORDS, *, force: bool = False) -> list[str]:
    folder = DataDir.open(settings.lattice_data_dir)
    try:
        return list(restore(settings, folder, file, passphrase, force=force))
    finally:
        folder.close()


def tables(settings: Settings) -> dict[str, list[Any]]:
    db = Database(settings.database, pool_size=1)
    names = ("organization", "user_account", "membership", "event", "alembic_version")
    try:
        with db.read() as session:
            connection = session.connection()
            known = set(connection.dialect.get_table_names(connection))
            return {n: sorted(map(str, connection.exec_driver_sql(f"SELECT * FROM {n}"))) for n in known & set(names)}
    finally:
        db.close()


def outside(settings: Settings, tmp_path: Path) -> Settings:
    """The same with a SQLite file outside of the data folder, where another file system may be."""
    url = f"sqlite:///{tmp_path / 'volume' / 'own.db'}"
    (tmp_path / "volume").mkdir()
    return settings.model_copy(update={"database_url": url})


def no_room(*_: object, **__: object) -> Any:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

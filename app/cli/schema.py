"""The database as commands meet it: migrated under the data folder's lock, or refused while its schema is behind."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import OperationalError

from app import migrate
from app.cli.refusals import Refusal
from app.datadir import DataDir
from app.db import Database
from app.settings import Settings

log = logging.getLogger("lattice.schema")


def bring_to_head(settings: Settings) -> bool:
    """Migrate where needed; says whether it was. An SQLite file is never changed under a server that runs."""
    folder = DataDir.at(settings.lattice_data_dir)
    if not _is_needed(settings.database):
        return False
    if folder.was_used and migrate.is_missing(settings.database):
        log.warning("%s was used before and its database is gone: a new, empty one is made", folder.path)
    if not settings.database.startswith("sqlite"):
        return migrate.upgrade(settings.database)
    folder = DataDir.open(settings.lattice_data_dir)
    try:
        return migrate.upgrade(settings.database)
    finally:
        folder.close()


def _is_needed(url: str) -> bool:
    """An SQLite file that another start is just making can't be read. Its folder is locked then, and says by whom."""
    try:
        return migrate.is_needed(url)
    except OperationalError:
        if url.startswith("sqlite"):
            return True
        raise


def refuse_old_schema(settings: Settings) -> None:
    """Raises Refusal for a schema that is behind, and for a database that is not there."""
    if migrate.is_missing(settings.database) and not settings.database_url:
        where = settings.lattice_data_dir.resolve()
        raise Refusal(
            f"There is no database in {where} (LATTICE_DATA_DIR): run this where the server's .env is, "
            "or make one with `lattice server migrate`."
        )
    if migrate.is_needed(settings.database):
        raise Refusal("The database's schema is not this version's; run `lattice server migrate`.")


@contextmanager
def current_database(settings: Settings) -> Iterator[Database]:
    """The database beside a running server or without one. Raises Refusal while its schema is behind."""
    refuse_old_schema(settings)
    db = Database(settings.database, pool_size=2)
    try:
        yield db
    finally:
        db.close()

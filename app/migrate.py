"""Brings the database's schema to head. At head already, it costs one query: Alembic is not even imported.

Servers that start at once on one database take turns.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, NullPool, create_engine, event, inspect, text
from sqlalchemy.engine import make_url
from sqlalchemy.pool import ConnectionPoolEntry

from app.db import Database

ROOT = Path(__file__).resolve().parent.parent
TURN = 7_252_811_905  # the advisory lock's number, ours alone
TURN_SECONDS = 60
REVISION = re.compile(r"^revision: str = [\"'](\w+)[\"']", re.MULTILINE)
REPLACES = re.compile(r"^down_revision: .*= [\"'](\w+)[\"']", re.MULTILINE)


class MigrationError(Exception):
    """The schema can't be brought to head; the message is one sentence."""


def upgrade(url: str) -> bool:
    """Migrate to head in one transaction; says whether there was anything to do.

    Raises MigrationError for a schema that this version does not know, SQLAlchemyError where the database fails.
    """
    engine = _engine(url)
    try:
        with _in_turn(engine) as connection:
            revision = _revision(connection)
            if revision == head():
                return False
            if revision is not None and not knows(revision):
                raise MigrationError(f"The database's schema is {revision}, newer than this Lattice; upgrade it.")
            _run_alembic(connection)
            connection.commit()
            return True
    finally:
        engine.dispose()


def is_needed(url: str) -> bool:
    """Whether the schema is not at head. Makes nothing, not even an SQLite file."""
    if is_missing(url):
        return True
    db = Database(url, pool_size=1)
    try:
        return not is_current(db)
    finally:
        db.close()


def is_missing(url: str) -> bool:
    """Whether it is an SQLite file that is not there."""
    file = make_url(url).database
    return bool(url.startswith("sqlite") and file and not Path(file).exists())


def is_current(db: Database) -> bool:
    """Whether the schema is at head."""
    with db.read() as session:
        return _is_at_head(session.connection())


def head() -> str:
    """The newest revision."""
    return _revisions()[0]


def knows(revision: str) -> bool:
    return revision in _revisions()[1]


@cache
def _revisions() -> tuple[str, frozenset[str]]:
    """The newest revision and all of them, read from the files of the migrations."""
    texts = [file.read_text() for file in (ROOT / "migrations" / "versions").glob("*.py")]
    all_of_them = {found[1] for t in texts if (found := REVISION.search(t))}
    replaced = {found[1] for t in texts if (found := REPLACES.search(t))}
    (newest,) = all_of_them - replaced
    return newest, frozenset(all_of_them)


def _is_at_head(connection: Connection) -> bool:
    return _revision(connection) == head()


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    revision: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none()
    return revision


def _run_alembic(connection: Connection) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config(str(ROOT / "alembic.ini"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _engine(url: str) -> Engine:
    """Without a pool, and on SQLite with real transactions around DDL and foreign keys off, as rebuilt tables need."""
    if not url.startswith("sqlite"):
        return create_engine(url, poolclass=NullPool, connect_args={"connect_timeout": 10})
    engine = create_engine(url, poolclass=NullPool, connect_args={"timeout": TURN_SECONDS})

    @event.listens_for(engine, "connect")
    def _no_driver_transactions(connection: Any, _entry: ConnectionPoolEntry) -> None:
        connection.isolation_level = None

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


@contextmanager
def _in_turn(engine: Engine) -> Iterator[Connection]:
    """A connection that no other migration holds at the same time."""
    if engine.dialect.name == "sqlite":
        _make_private(engine.url.database)
        with engine.connect() as connection:
            yield connection
        return
    with engine.connect() as holder, engine.connect() as connection:
        holder.execute(text("SELECT pg_advisory_lock(:turn)"), {"turn": TURN})
        yield connection


def _make_private(file: str | None) -> None:
    """Make the database file readable by its owner alone; SQLite makes those beside it alike."""
    if not file or file == ":memory:":
        return
    try:
        Path(file).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(file, os.O_RDWR | os.O_CREAT, 0o600))
    except OSError as wrong:
        raise MigrationError(
            f"The database file {file} (DATABASE_URL, else in LATTICE_DATA_DIR) can't be made: {wrong.strerror}."
        ) from None

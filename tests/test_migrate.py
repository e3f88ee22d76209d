"""Migrating: quick at head, in turn, whole or not at all, and never from a newer schema."""

from __future__ import annotations

import sqlite3
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from app import migrate
from app.cli.schema import bring_to_head
from app.datadir import DataDir, DataDirError
from app.settings import Settings
from tests.peers.postgres import Postgres

AT_HEAD = """
import sys
from app.migrate import upgrade
assert not upgrade(sys.argv[1])
assert "alembic" not in sys.modules
"""


def test_an_sqlite_file_is_made_private(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/new/lattice.db"
    assert migrate.is_needed(url) and not (tmp_path / "new").exists()
    assert migrate.upgrade(url)
    assert not migrate.upgrade(url) and not migrate.is_needed(url)
    assert stat.S_IMODE((tmp_path / "new" / "lattice.db").stat().st_mode) == 0o600


@pytest.mark.database
def test_at_head_alembic_is_not_even_imported(database_url: str) -> None:
    subprocess.run([sys.executable, "-c", AT_HEAD, database_url], check=True)


@pytest.mark.postgres
def test_servers_that_start_at_once_take_turns(postgres: Postgres) -> None:
    url = postgres.new_database()
    with ThreadPoolExecutor(3) as pool:
        assert sorted(pool.map(migrate.upgrade, [url] * 3)) == [False, False, True]


def test_a_newer_schema_is_refused(database_url: str) -> None:
    engine = create_engine(database_url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    assert migrate.is_needed(database_url)
    with pytest.raises(migrate.MigrationError, match="9999, newer than this Lattice"):
        migrate.upgrade(database_url)


def test_head_is_what_alembic_says() -> None:
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    assert ScriptDirectory.from_config(Config(migrate.ROOT / "alembic.ini")).get_current_head() == migrate.head()


def test_a_start_beside_the_first_one_says_who_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first one is still making the schema, so its file can't even be read."""
    monkeypatch.setattr("app.sqlite.BUSY_SECONDS", 0.1)
    folder = DataDir.open(tmp_path)
    first = sqlite3.connect(tmp_path / "lattice.db", isolation_level=None)
    first.execute("PRAGMA locking_mode = EXCLUSIVE")
    first.execute("BEGIN EXCLUSIVE")
    try:
        with pytest.raises(DataDirError, match=r"is in use by process \d+ on .*; stop that one first\.$"):
            bring_to_head(Settings(_env_file=None, lattice_data_dir=tmp_path))
    finally:
        first.close()
        folder.close()

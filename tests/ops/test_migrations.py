"""Models and migrations say the same, up and down, on SQLite and PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, NullPool, create_engine, inspect
from sqlmodel import SQLModel

from app import models
from app.settings import Settings
from tests.peers import ROOT

assert models


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def connection(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Connection]:
    """An empty database."""
    given = f"sqlite:///{tmp_path / 'empty.db'}"
    if request.param == "postgres":
        given = request.getfixturevalue("postgres_url")
    url = Settings(_env_file=None, database_url=given).database
    with create_engine(url, poolclass=NullPool).connect() as opened:
        yield opened


def alembic(connection: Connection) -> Config:
    config = Config(ROOT / "alembic.ini")
    config.attributes["connection"] = connection
    return config


def test_models_and_migrations_do_not_drift(connection: Connection) -> None:
    command.upgrade(alembic(connection), "head")
    command.check(alembic(connection))


def test_down_to_nothing_and_up_again(connection: Connection) -> None:
    command.upgrade(alembic(connection), "head")
    command.downgrade(alembic(connection), "base")
    assert set(inspect(connection).get_table_names()) <= {"alembic_version", "sqlite_sequence"}
    command.upgrade(alembic(connection), "head")
    assert set(SQLModel.metadata.tables) <= set(inspect(connection).get_table_names())


def test_autogenerate_finds_a_new_column(connection: Connection) -> None:
    """What CONTRIBUTING.md promises: change the model, and autogenerate writes the migration."""
    command.upgrade(alembic(connection), "head")
    connection.exec_driver_sql("ALTER TABLE organization DROP COLUMN name")
    config = alembic(connection)
    script = command.revision(config, autogenerate=True, message="the name", version_path=None, sql=False, rev_id="x1")
    assert script is not None and not isinstance(script, list)
    written = Path(script.path)
    try:
        assert "add_column(sa.Column('name'" in written.read_text()
    finally:
        written.unlink()

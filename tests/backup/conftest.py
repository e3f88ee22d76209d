"""A server's settings over each database, and those of an empty server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from app.settings import Settings
from tests.backup.places import SECRETS
from tests.peers.postgres import Postgres


@pytest.fixture
def settings(database_url: str, tmp_path: Path) -> Settings:
    explicit: dict[str, Any] = {} if database_url.startswith("sqlite") else SECRETS
    return Settings(_env_file=None, database_url=database_url, lattice_data_dir=tmp_path / "data", **explicit)


@pytest.fixture
def elsewhere(settings: Settings, tmp_path: Path, request: pytest.FixtureRequest) -> Settings:
    """The settings of an empty server."""
    if settings.database.startswith("sqlite"):
        place = {"lattice_data_dir": tmp_path / "other", "database_url": ""}
    else:
        postgres: Postgres = request.getfixturevalue("postgres")
        place = {"lattice_data_dir": tmp_path / "other", "database_url": postgres.new_database()}
    return Settings(_env_file=None, **{**settings.model_dump(), **place})

from __future__ import annotations

from collections.abc import Iterator

import pytest

from app.engines.local.engine import LocalEngine
from app.site import Site
from tests.jobs.conftest import db, home
from tests.workers.hands import Hands

__all__ = ["db", "hands", "home"]


@pytest.fixture
def hands(site: Site) -> Iterator[Hands]:
    moved = Hands(site)
    yield moved
    assert isinstance(moved.engine, LocalEngine)
    moved.engine.close()

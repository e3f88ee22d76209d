from __future__ import annotations

from collections.abc import Callable

import pytest
from starlette.testclient import TestClient

from app.db import Database
from app.site import Site
from tests.conftest import House
from tests.jobs.log_scenes import LINES, end, placed, write
from tests.jobs.rows import Home, make_home


@pytest.fixture
def db(site: Site) -> Database:
    return site.db


@pytest.fixture
def home(site: Site) -> Home:
    return make_home(site)


@pytest.fixture
def client(key: Callable[..., TestClient]) -> TestClient:
    return key("compute:write")


@pytest.fixture
def job_id(house: House, client: TestClient) -> str:
    """A job that has ended with LINES in its log."""
    made = placed(house.site, client)
    write(house.site, made, LINES)
    end(house.site, made)
    return made

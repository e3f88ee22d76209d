from __future__ import annotations

import pytest

from app.db import Database
from app.site import Site
from tests.jobs.rows import Home, make_home


@pytest.fixture
def db(site: Site) -> Database:
    return site.db


@pytest.fixture
def home(site: Site) -> Home:
    return make_home(site)

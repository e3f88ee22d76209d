"""tests/access.txt is what really happens.

After a change that is meant: LATTICE_WRITE_ACCESS=1 ./test.sh tests/access
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from app.settings import Settings
from app.web.action import Limit
from tests.access.matrix import Matrix
from tests.conftest import House

FILE = Path(__file__).parent.parent / "access.txt"


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Without limits in the way: the matrix signs in often, from one address."""
    often = tuple(f"{limit}=1000000/minute" for limit in Limit)
    return settings.model_copy(update={"lattice_rate_limits": often})


def test_every_action_answers_as_the_matrix_says(house: House) -> None:
    found = "\n".join(Matrix(house).lines()) + "\n"
    if os.environ.get("LATTICE_WRITE_ACCESS"):
        FILE.write_text(found)
    assert found.splitlines() == FILE.read_text().splitlines()

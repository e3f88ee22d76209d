"""tests/access.txt is what really happens.

After a change that is meant: LATTICE_WRITE_ACCESS=1 ./test.sh tests/access
"""

from __future__ import annotations

import os
from pathlib import Path

from tests.access.matrix import Matrix
from tests.conftest import House

FILE = Path(__file__).parent.parent / "access.txt"


def test_every_action_answers_as_the_matrix_says(house: House) -> None:
    found = "\n".join(Matrix(house).lines()) + "\n"
    if os.environ.get("LATTICE_WRITE_ACCESS"):
        FILE.write_text(found)
    assert found.splitlines() == FILE.read_text().splitlines()

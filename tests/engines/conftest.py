"""A local engine in a folder of the test's own, which other users can pass through, as a server's usual one."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engines.runs import Runs


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """Unlike `tmp_path`, whose parents are closed to other users."""
    made = Path(tempfile.mkdtemp(prefix="lattice-"))
    made.chmod(0o711)
    yield made
    shutil.rmtree(made)


@pytest.fixture
def runs(open_folder: Path) -> Iterator[Runs]:
    made = Runs(open_folder / "data" / "local")
    yield made
    made.close()

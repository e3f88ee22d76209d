"""`.env.example` and the settings say the same things."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from dotenv import dotenv_values

from app.settings import Settings
from tests.peers import ROOT

EXAMPLE = ROOT / ".env.example"
TEXT = EXAMPLE.read_text()
LISTED = dict(re.findall(r"^#?([A-Z_]+)=(.*)$", TEXT, re.MULTILINE))


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)


def test_every_setting_is_in_the_example_and_no_other() -> None:
    assert set(LISTED) == {name.upper() for name in Settings.model_fields}


def test_the_example_unchanged_sets_nothing() -> None:
    assert Settings(_env_file=EXAMPLE) == Settings(_env_file=None)


def test_what_is_not_commented_out_is_a_placeholder() -> None:
    values = dotenv_values(EXAMPLE)
    assert set(values) >= {"AUTH_API_KEY", "AUTH_CLIENT_ID", "AUTH_REDIRECT_URI", "AUTH_COOKIE_PASSWORD", "BASE_URL"}
    assert all((value or "").startswith("your_") for value in values.values())


def test_the_commented_defaults_are_the_real_ones(tmp_path: Path) -> None:
    uncommented = tmp_path / "env"
    uncommented.write_text(re.sub(r"^#(?=[A-Z_]+=)", "", TEXT, flags=re.MULTILINE))
    assert Settings(_env_file=uncommented) == Settings(_env_file=None)


@pytest.mark.parametrize("name", sorted(LISTED))
def test_each_setting_is_explained_above_it(name: str) -> None:
    lines = TEXT.splitlines()
    at = next(i for i, line in enumerate(lines) if re.match(rf"#?{name}=", line))
    above: Any = next((line for line in reversed(lines[:at]) if not re.match(r"#?[A-Z_]+=", line)), "")
    assert above.startswith("# ")

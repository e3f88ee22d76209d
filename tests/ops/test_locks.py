"""The lock files pin everything by hash, agree with each other, and name no registry."""

from __future__ import annotations

import json
import re
import tomllib

import pytest
from packaging.requirements import Requirement

from tests.peers import ROOT

LOCKS = ("requirements.lock", "requirements-dev.lock")


def pins(lock: str) -> dict[str, set[str]]:
    """`name==version ; marker` and its hashes."""
    entries = re.split(r"\n(?=\S)", re.sub(r"^ *#.*\n", "", (ROOT / lock).read_text(), flags=re.MULTILINE))
    return {e.split("\\", 1)[0].strip(): set(re.findall(r"sha256:[0-9a-f]{64}", e)) for e in entries if e.strip()}


def asked_for(lock: str) -> list[Requirement]:
    """What pyproject.toml asks for."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    development = project["dependency-groups"]["dev"] if lock == "requirements-dev.lock" else []
    return [Requirement(line) for line in project["project"]["dependencies"] + development]


@pytest.mark.parametrize("lock", LOCKS)
def test_each_package_is_pinned_with_its_hashes(lock: str) -> None:
    assert pins(lock)
    assert [pin for pin, hashes in pins(lock).items() if "==" not in pin or not hashes] == []


@pytest.mark.parametrize("lock", LOCKS)
def test_the_lock_is_as_new_as_what_the_project_asks_for(lock: str) -> None:
    versions = dict(pin.split(" ;")[0].split("==") for pin in pins(lock))
    for requirement in asked_for(lock):
        assert requirement.specifier.contains(versions[requirement.name.lower()]), str(requirement)


def test_the_development_lock_holds_every_pin_of_the_other() -> None:
    development = {pin.split(" ;")[0] for pin in pins("requirements-dev.lock")}
    assert {pin.split(" ;")[0] for pin in pins("requirements.lock")} <= development


@pytest.mark.parametrize("lock", [*LOCKS, "package-lock.json"])
def test_no_lock_names_a_registry(lock: str) -> None:
    text = (ROOT / lock).read_text()
    assert "--index-url" not in text
    assert not re.search(r'"resolved"|(?<!"url": ")https?://(?!github\.com/sponsors/)', text)


def test_each_npm_package_has_its_checksum() -> None:
    packages = json.loads((ROOT / "package-lock.json").read_text())["packages"]
    assert [name for name, entry in packages.items() if name and not entry.get("integrity")] == []

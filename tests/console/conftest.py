"""One Chromium and one server for the folder, and pages in which the first admin, Ada, is signed in."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.console.lab import Lab
from tests.peers.browser import chromium
from tests.peers.server import Server

expect.set_options(timeout=30_000)  # a busy machine is slow, not wrong
DESKTOP = {"width": 1280, "height": 800}
PHONE = {"width": 390, "height": 844}
TASK = """\
name: from-yaml
resources:
  cpus: 0.1+
  memory: 0.1+
envs:
  GREETING: hello
run: |
  echo "$GREETING from $SKYPILOT_NUM_NODES node"
"""


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    with chromium() as launched:
        yield launched


@pytest.fixture(scope="package")
def shared_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    made = Server(tmp_path_factory.mktemp("console"), {"LATTICE_FAKE_GPUS": "H100:8"})
    try:
        made.start()
        yield made
    finally:
        made.close()


@pytest.fixture(scope="package")
def lab(shared_server: Server) -> Lab:
    return Lab(shared_server, shared_server.signed_in("Ada"))


def as_ada(lab: Lab, size: dict[str, int] = DESKTOP) -> dict[str, Any]:
    """A window of that size in which Ada is signed in; addresses are the server's."""
    return {
        "base_url": lab.server.url,
        "viewport": size,
        "reduced_motion": "reduce",
        "storage_state": {"cookies": lab.cookies(), "origins": []},
    }


@pytest.fixture
def context_options(lab: Lab) -> dict[str, Any]:
    return as_ada(lab)


@pytest.fixture
def form(page: Page) -> Locator:
    page.goto("/jobs/new")
    return page.locator("#job-form")


@pytest.fixture
def task_form(page: Page) -> Locator:
    page.goto("/jobs/new")
    turn_to(page, "YAML")
    return page.locator("#task-form")


def turn_to(page: Page, tab: str) -> None:
    page.get_by_role("radiogroup", name="Write the job as").get_by_text(tab).click()


def submit(form: Locator) -> None:
    form.get_by_role("button", name="Submit job").click()

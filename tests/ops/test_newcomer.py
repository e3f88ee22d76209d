"""The first minutes of somebody who has a clone and Python: one command, the printed link, a model that is trained."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.peers import ROOT, wait_until
from tests.peers.server import ServerMaker

pytestmark = pytest.mark.browser


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    subprocess.run(["git", "clone", "--quiet", ROOT, tmp_path / "clone"], check=True)
    return tmp_path / "clone"


@pytest.mark.timeout(900)  # it installs packages twice
def test_a_clone_trains_the_example(clone: Path, new_server: ServerMaker, browser: Browser) -> None:
    server = new_server(PYTHONPATH="")
    server.launch_as([clone / "start.sh"])
    wait_until(server.is_ready, what="a first start", seconds=300)
    with browser.new_context(base_url=server.url) as context:
        page = context.new_page()
        page.goto(server.sign_in_link())
        page.get_by_label("Your name").fill("Grace")
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_role("heading", name="Jobs", exact=True)).to_be_visible(timeout=60_000)
        page.goto("/jobs/new")
        page.get_by_role("radiogroup", name="Write the job as").get_by_text("YAML").click()
        page.get_by_label("Task").fill((clone / "examples/digits.yaml").read_text())
        page.locator("#task-form").get_by_role("button", name="Submit job").click()
        badge, log = page.locator(".badge").first, page.locator("[data-log-view]")
        expect(badge).to_have_text("Running", timeout=60_000)
        expect(log).to_contain_text("20 trees: accuracy 0.9", timeout=300_000)
        expect(badge).to_have_text("Succeeded", timeout=120_000)
        expect(log).to_contain_text(re.compile(r"200 trees: accuracy 0\.9[78]"))

"""WorkOS goes away and comes back: what was put off is made up for, and nobody has to restart anything."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.accounts.workos.conftest import LOGIN, Door, opened, problem_of
from tests.peers.browser import axe
from tests.peers.gate import Gate
from tests.peers.server import ServerMaker
from tests.peers.workos import ADA, BOB, WorkOS

SILENT = "WorkOS can't be reached"


@pytest.fixture
def gate(workos: WorkOS) -> Iterator[Gate]:
    """What the server reaches WorkOS through; the test itself goes past it."""
    made = Gate(workos.port)
    made.open()
    yield made
    made.shut()


@pytest.fixture
def door(new_server: ServerMaker, workos: WorkOS, gate: Gate) -> Door:
    return opened(new_server(), workos, AUTH_BASE_URL=gate.url)


def test_a_sign_out_while_workos_is_away_is_told_there_when_it_is_back(door: Door, gate: Gate) -> None:
    leaving, staying = door.sign_in(ADA), door.sign_in(BOB)
    gate.shut()
    assert leaving.post("/api/v1/auth/logout").headers["Location"] == "/sign-in"
    assert door.me(leaving) is None
    door.server.stop()
    door.server.start()  # what is to be told outlives the server that was asked
    assert door.me(staying) is not None
    assert door.workos.sessions(ADA)
    gate.open()
    door.wait(lambda: not door.workos.sessions(ADA), "the end of Ada's session at WorkOS")
    assert door.workos.sessions(BOB) and door.me(staying) is not None


def test_people_and_programs_go_on_and_sign_in_works_again_without_a_restart(door: Door, gate: Gate) -> None:
    browser, stranger = door.sign_in(ADA), door.browser()
    key = browser.post("/api/v1/api-keys", json={"name": "ci"}).json()["secret"]
    program = door.server.client(Authorization=f"Bearer {key}")
    gate.shut()
    assert browser.get("/jobs").status_code == 200
    assert program.get("/api/v1/jobs").status_code == 200
    refused = stranger.get(LOGIN, params={"login_hint": BOB, "next": "/node-pools"})
    assert problem_of(refused) == "unreachable"
    assert door.me(stranger) is None
    gate.open()
    came_back = stranger.get(door.callback(stranger, BOB, next="/node-pools"))
    assert came_back.headers["Location"] == "/node-pools"
    assert door.me(stranger) is not None and door.me(browser) is not None
    assert SILENT not in door.browser().get("/sign-in").text.replace("&#39;", "'")


@pytest.mark.browser
def test_a_person_reads_what_is_wrong_and_tries_again(door: Door, gate: Gate, page: Page) -> None:
    gate.shut()
    page.goto(f"{door.server.url}/node-pools")
    page.get_by_role("link", name="Sign in with WorkOS").click()
    expect(page.locator("main")).to_contain_text(SILENT)
    for theme in ("light", "dark"):
        page.emulate_media(color_scheme=theme)
        assert axe(page) == []
    page.get_by_role("link", name="Try again with WorkOS").click()
    expect(page).to_have_url(re.compile("problem=unreachable"))
    gate.open()
    page.get_by_role("link", name="Try again with WorkOS").click()
    expect(page).to_have_url(f"{door.server.url}/node-pools")

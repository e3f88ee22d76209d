"""The first minutes: the printed link, a name, an empty list that says what to do; and links that no longer work."""

from __future__ import annotations

import re
import sqlite3
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from tests.console import MARKS
from tests.console.conftest import DESKTOP
from tests.peers.browser import Watch, axe
from tests.peers.server import SIGN_IN_LINK, Server, ServerMaker

pytestmark = MARKS


@pytest.fixture
def context_options() -> dict[str, Any]:
    """Nobody is signed in."""
    return {"viewport": DESKTOP, "reduced_motion": "reduce"}


def new_link(server: Server) -> str:
    found = SIGN_IN_LINK.search(server.lattice("admin", "sign-in-link"))
    assert found
    return found[0]


def test_from_the_printed_link_to_the_first_job(new_server: ServerMaker, page: Page) -> None:
    server = new_server()
    server.start()
    page.goto(server.sign_in_link())
    page.get_by_label("Your name").fill("Grace Hopper")
    page.get_by_role("button", name="Sign in").click()
    expect(page).to_have_url(f"{server.url}/jobs")
    expect(page.get_by_role("heading", name="No jobs yet")).to_be_visible()
    assert axe(page) == []
    expect(page.locator(".user-menu")).to_contain_text("Grace Hopper")
    page.locator(".empty").get_by_role("link", name="New job").click()
    page.get_by_label("Run").fill("echo hello from the first job")
    page.get_by_role("button", name="Submit job").locator("visible=true").click()
    expect(page.locator("[data-log-view]")).to_contain_text("hello from the first job")
    expect(page.locator(".job-head .badge")).to_have_text("Succeeded")


def test_the_link_works_once(page: Page, shared_server: Server) -> None:
    link = new_link(shared_server)
    page.goto(link)
    sign_in(page)
    page.goto("about:blank")  # a page that is still there would lead to sign-in by itself
    page.context.clear_cookies()
    page.goto(link)
    expect(page.get_by_role("heading")).to_have_text("This link no longer works")
    expect(page.locator("main")).to_contain_text("lattice admin sign-in-link")


def test_the_page_says_a_command_and_leads_nowhere(page: Page, shared_server: Server) -> None:
    page.goto(f"{shared_server.url}/sign-in")
    expect(page.locator("pre")).to_have_text(".venv/bin/lattice admin sign-in-link")
    expect(page.locator("main")).to_contain_text("API key")
    expect(page.locator("main a")).to_have_count(0)


def test_the_link_expires(page: Page, shared_server: Server, watch: Watch) -> None:
    watch.expect("status of 410")
    link = new_link(shared_server)
    page.goto(link)
    with sqlite3.connect(shared_server.data / "lattice.db") as db:
        db.execute("UPDATE sign_in_link SET expires_at = created_at")
    name = page.get_by_label("Your name")
    if name.count():
        name.fill("Ada")
    page.get_by_role("button", name="Sign in").click()
    expect(page.locator("main")).to_contain_text(re.compile("used|expired"))
    expect(page.locator("main")).to_contain_text("lattice admin sign-in-link")


def test_signing_in_goes_where_one_was_going_and_out_again(page: Page, shared_server: Server) -> None:
    page.goto(f"{shared_server.url}/node-pools")
    expect(page).to_have_url(re.compile(r"/sign-in\?next="))
    page.goto(new_link(shared_server) + "&next=/node-pools")
    sign_in(page)
    expect(page).to_have_url(f"{shared_server.url}/node-pools")
    page.locator(".user-menu summary").click()
    page.get_by_role("button", name="Sign out").click()
    expect(page).to_have_url(re.compile("/sign-in"))
    page.goto(f"{shared_server.url}/jobs")
    expect(page).to_have_url(re.compile("/sign-in"))


def test_a_page_left_open_leads_to_sign_in_when_the_session_has_ended(page: Page, shared_server: Server) -> None:
    elsewhere = about_to_sign_out_elsewhere(page, shared_server)
    elsewhere.get_by_role("button", name="Sign out").click()
    expect(page).to_have_url(f"{shared_server.url}/sign-in?next=%2Fnode-pools")


def test_a_page_that_is_being_left_is_not_drawn_back_to_sign_in(page: Page, shared_server: Server) -> None:
    elsewhere = about_to_sign_out_elsewhere(page, shared_server)
    held: list[Route] = []
    page.route("**/settings", lambda route: held.append(route))  # noqa: PLW0108 - Playwright looks into functions
    with page.expect_response(lambda answer: "/live" in answer.url and answer.status == 204):
        with page.expect_request("**/settings"):
            page.evaluate("void (location.href = '/settings')")
        elsewhere.get_by_role("button", name="Sign out").click()
    held[0].continue_()
    expect(page).to_have_url(f"{shared_server.url}/sign-in?next=%2Fsettings")


def about_to_sign_out_elsewhere(page: Page, server: Server) -> Page:
    """The page is signed in and live on the node pools; the menu of the other one, which is returned, is open."""
    page.goto(new_link(server) + "&next=/node-pools")
    sign_in(page)
    expect(page.locator("#live-state")).to_have_attribute("data-state", "open")
    elsewhere = page.context.new_page()
    elsewhere.goto(f"{server.url}/settings")
    elsewhere.locator(".user-menu summary").click()
    return elsewhere


def sign_in(page: Page) -> None:
    """With the link that is open; the name is asked for once in a server's life."""
    name = page.get_by_label("Your name")
    if name.count():
        name.fill("Ada")
    page.get_by_role("button", name="Sign in").click()
    expect(page.locator(".sidebar")).to_be_visible()

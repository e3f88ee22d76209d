"""Signing in with WorkOS as a person does it: in a real browser, over the real pages."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.accounts.workos.conftest import LOGIN, Door
from tests.peers.browser import Watch, axe
from tests.peers.workos import ADA, BOB

pytestmark = pytest.mark.browser


def enter(page: Page, door: Door, email: str, going_to: str = "/settings") -> None:
    page.goto(f"{door.server.url}{LOGIN}?login_hint={email}&next={going_to}")
    expect(page).to_have_url(f"{door.server.url}{going_to}")


def test_two_people_sign_in_side_by_side_and_out(door: Door, page: Page, browser: Browser, watch: Watch) -> None:
    page.goto(f"{door.server.url}/settings")
    page.get_by_role("link", name="Sign in with WorkOS").click()
    expect(page).to_have_url(f"{door.server.url}/settings")
    first = page.content()
    other = browser.new_context()
    watch.attach(other)
    bobs = other.new_page()
    enter(bobs, door, BOB)
    expect(bobs.locator("main")).to_contain_text(BOB)
    enter(page, door, ADA)
    expect(page.locator("main")).to_contain_text(ADA)
    assert "Lab" in first
    bobs.evaluate("fetch('/api/v1/auth/logout', {method: 'POST'})")
    door.wait(lambda: not door.workos.sessions(BOB), "the end of Bob's session at WorkOS")
    bobs.goto(f"{door.server.url}/jobs")
    expect(bobs).to_have_url(re.compile("/sign-in"))
    page.reload()
    expect(page.locator("main")).to_contain_text(ADA)
    other.close()


def test_the_sessions_page_names_browsers_and_ends_them(door: Door, page: Page, browser: Browser) -> None:
    enter(page, door, ADA, "/settings/sessions")
    other = browser.new_context()
    elsewhere = other.new_page()
    enter(elsewhere, door, ADA, "/jobs")
    page.reload()
    rows = page.locator(".sessions li")
    expect(rows).to_have_count(2)
    expect(rows.first).to_contain_text(re.compile("Chrom.* on Linux"))
    rows.get_by_role("button", name="End").click()
    expect(rows).to_have_count(1)
    elsewhere.goto(f"{door.server.url}/jobs")
    expect(elsewhere).to_have_url(re.compile("/sign-in"))
    other.close()


def test_the_console_goes_on_without_workos_and_the_sign_in_page_says_what_is_wrong(
    door: Door, page: Page, browser: Browser, watch: Watch
) -> None:
    enter(page, door, ADA, "/jobs")
    door.workos.stop()
    for path in ("/jobs", "/node-pools", "/settings", "/members"):
        page.goto(f"{door.server.url}{path}")
        expect(page.get_by_role("heading", level=1)).to_be_visible()
    other = browser.new_context()
    watch.attach(other)
    stranger: Any = other.new_page()
    stranger.goto(f"{door.server.url}/sign-in")
    stranger.get_by_role("link", name=re.compile("Sign in with WorkOS|Try again with WorkOS")).click()
    expect(stranger.locator("body")).to_contain_text("WorkOS can't be reached")
    assert axe(stranger) == []
    stranger.goto(f"{door.server.url}/jobs")
    expect(stranger).to_have_url(re.compile("/sign-in"))
    other.close()

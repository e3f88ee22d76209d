"""Two people in two browsers, signed in with WorkOS: an organization of their own, invited, promoted, removed, out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.accounts.workos.conftest import LOGIN, Door, opened
from tests.console import MARKS
from tests.console.conftest import DESKTOP
from tests.peers.browser import Watch, axe
from tests.peers.server import ServerMaker
from tests.peers.workos import ADA, BOB, WorkOS

pytestmark = MARKS
TOGETHER = "Night shift"


@pytest.fixture
def door(new_server: ServerMaker, workos: WorkOS) -> Door:
    """Ada and Bob both belong to Lab."""
    return opened(new_server(), workos)


@pytest.fixture
def context_options(door: Door) -> dict[str, Any]:
    """Nobody is signed in."""
    return {"base_url": door.server.url, "viewport": DESKTOP, "reduced_motion": "reduce"}


@pytest.fixture
def bobs(browser: Browser, watch: Watch, context_options: dict[str, Any]) -> Iterator[Page]:
    """Another person's browser, which shares no cookie with the first one's."""
    context = browser.new_context(**context_options)
    context.set_default_timeout(30_000)
    watch.attach(context)
    yield context.new_page()
    context.close()


def test_from_an_organization_of_ones_own_to_removal(page: Page, bobs: Page, door: Door) -> None:
    page.goto("/jobs")
    is_for_everybody(page)
    page.get_by_role("link", name="Sign in with WorkOS").click()  # without a hint the emulator lets its first user in
    expect(page.locator(".user-menu")).to_contain_text("Ada")
    enter_as_bob(bobs)

    make_organization(page)
    invite(page, BOB)
    accept_what_was_mailed(door, bobs)
    page.goto("/invitations")
    expect(page.get_by_role("row").filter(has_text=BOB)).to_contain_text("Accepted")

    switch(bobs, TOGETHER)
    switch(bobs, "Lab")
    switch(bobs, TOGETHER)
    promote(page, "Bob")
    bobs.goto("/invitations")  # which admins alone see
    expect(bobs.get_by_role("row").filter(has_text=BOB)).to_be_visible()
    program = door.server.client(Authorization=f"Bearer {make_key(bobs)}")
    assert program.get("/api/v1/jobs").status_code == 200

    left_open = bobs.context.new_page()
    left_open.goto("/jobs")
    expect(left_open.locator("#live-state")).to_have_attribute("data-state", "open")
    remove(page, "Bob")
    bobs.get_by_role("link", name="Node pools").click()
    expect(bobs).to_have_url(f"{door.server.url}/sign-in?next=%2Fnode-pools")
    expect(bobs.get_by_role("link", name="Sign in with WorkOS")).to_be_visible()
    is_for_everybody(bobs)
    expect(left_open).to_have_url(f"{door.server.url}/sign-in?next=%2Fjobs")
    assert program.get("/api/v1/jobs").status_code == 401
    door.wait(lambda: not door.workos.sessions(BOB), "the end of Bob's session at WorkOS")

    enter_as_bob(bobs)
    expect(bobs.locator(".organization-menu")).to_have_attribute("title", "Lab")
    bobs.locator(".organization-menu").click()
    expect(bobs.get_by_role("link", name="New organization")).to_be_visible()
    expect(bobs.get_by_role("button", name=TOGETHER)).to_have_count(0)

    sign_out(page)
    door.wait(lambda: not door.workos.sessions(ADA), "the end of Ada's session at WorkOS")
    assert door.workos.sessions(BOB)


def is_for_everybody(page: Page) -> None:
    """In both themes, which differ in their colours alone."""
    page.emulate_media(color_scheme="light")
    assert axe(page) == []
    page.emulate_media(color_scheme="dark")
    assert axe(page, only=("color-contrast",)) == []


def enter_as_bob(page: Page) -> None:
    page.goto(f"{LOGIN}?login_hint={BOB}&next=/jobs")
    expect(page.locator(".user-menu")).to_contain_text("Bob")


def make_organization(page: Page) -> None:
    page.locator(".organization-menu").click()
    page.get_by_role("link", name="New organization").click()
    page.get_by_label("Name", exact=True).fill(TOGETHER)
    page.get_by_role("button", name="Make the organization").click()
    expect(page.get_by_role("heading", name="Members")).to_be_visible()
    expect(page.locator(".organization-menu")).to_have_attribute("title", TOGETHER)
    is_for_everybody(page)


def invite(page: Page, email: str) -> None:
    page.goto("/invitations/new")
    page.get_by_label("Email address").fill(email)
    page.get_by_role("button", name="Invite").click()
    expect(page.locator("main")).to_contain_text(f"The link was mailed to {email}")
    is_for_everybody(page)


def accept_what_was_mailed(door: Door, theirs: Page) -> None:
    """At WorkOS, whose emulator has no page behind the mailed link; its webhook tells of it here."""
    (sent,) = (i for i in door.workos.listed("user_management/invitations") if i["email"] == BOB)
    door.workos.ask("POST", f"user_management/invitations/{sent['id']}/accept")
    door.wait(lambda: TOGETHER in theirs.request.get("/api/v1/organizations").text(), f"Bob to be in {TOGETHER}")
    theirs.reload()


def switch(page: Page, name: str) -> None:
    page.locator(".organization-menu").click()
    is_for_everybody(page)
    page.get_by_role("button", name=name).click()
    expect(page.locator(".organization-menu")).to_have_attribute("title", name)
    expect(page.locator("#toasts")).to_contain_text(f"You are in {name} now")


def promote(page: Page, name: str) -> None:
    page.goto("/members")
    page.get_by_role("link", name=name, exact=True).click()
    page.get_by_role("combobox", name="Role").select_option("admin")
    page.get_by_role("button", name="Change the role").click()
    expect(page.locator(".page-head .tag")).to_have_text("Admin")
    is_for_everybody(page)


def make_key(page: Page) -> str:
    """The text of a key that may submit jobs."""
    page.goto("/api-keys/new")
    page.get_by_label("Name").fill("ci")
    page.get_by_role("checkbox", name="compute:write").check()
    page.get_by_role("button", name="Make the key").click()
    return page.locator("#secret").inner_text()


def remove(page: Page, name: str) -> None:
    page.goto("/members")
    page.get_by_role("link", name=name, exact=True).click()
    page.get_by_role("button", name="Remove").first.click()
    page.get_by_role("dialog").get_by_role("button", name="Remove").click()
    expect(page.locator("#toasts")).to_contain_text(f"{name} is removed")
    expect(page.get_by_role("link", name=name, exact=True)).to_have_count(0)


def sign_out(page: Page) -> None:
    page.locator(".user-menu summary").click()
    page.get_by_role("button", name="Sign out").click()
    expect(page).to_have_url(re.compile("/sign-in$"))

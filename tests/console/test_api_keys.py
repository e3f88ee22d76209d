"""API keys: made, shown once, used, given another text, and revoked."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from tests.console import MARKS
from tests.console.lab import Lab
from tests.peers.browser import axe

pytestmark = MARKS


def make(page: Page, name: str, *scopes: str) -> str:
    """A new key's text."""
    page.goto("/api-keys/new")
    page.get_by_label("Name").fill(name)
    for scope in scopes:
        page.get_by_role("checkbox", name=scope).check()
    page.get_by_role("button", name="Make the key").click()
    return page.locator("#secret").inner_text()


def status(lab: Lab, key: str) -> int:
    return lab.server.client(Authorization=f"Bearer {key}").get("/api/v1/jobs").status_code


def test_the_text_is_shown_once(page: Page, lab: Lab) -> None:
    key = make(page, "shown-once", "compute:write")
    assert re.fullmatch(r"lk_[\w-]{32}", key)
    assert axe(page) == []
    assert status(lab, key) == 200
    page.get_by_role("link", name="Done").click()
    page.get_by_role("link", name="shown-once").click()
    expect(page.locator("main .tag")).to_have_text("compute:write")
    assert key not in page.content()
    assert lab.get("/api-keys")["items"][0]["name"] == "shown-once"


def test_the_scope_of_all_is_chosen_alone(page: Page) -> None:
    page.goto("/api-keys/new")
    compute = page.get_by_role("checkbox", name="compute:write")
    admin = page.get_by_role("checkbox", name="admin")
    compute.check()
    admin.check()
    expect(compute).not_to_be_checked()
    expect(compute).to_be_disabled()
    admin.uncheck()
    expect(compute).to_be_enabled()


def test_a_rotated_key_has_another_text(page: Page, lab: Lab) -> None:
    old = make(page, "rotated")
    page.get_by_role("link", name="Done").click()
    page.get_by_role("link", name="rotated").click()
    page.get_by_role("button", name="Rotate").click()
    page.get_by_role("dialog").get_by_role("button", name="Rotate").click()
    expect(page.locator("#secret")).not_to_have_text(old)
    new = page.locator("#secret").inner_text()
    assert (status(lab, old), status(lab, new)) == (401, 200)


def test_a_revoked_key_is_refused(page: Page, lab: Lab) -> None:
    key = make(page, "revoked-soon")
    page.get_by_role("link", name="Done").click()
    page.get_by_role("link", name="revoked-soon").click()
    page.get_by_role("button", name="Revoke").click()
    page.get_by_role("dialog").get_by_role("button", name="Revoke").click()
    expect(page.locator(".badge-revoked").first).to_be_visible()
    assert status(lab, key) == 401

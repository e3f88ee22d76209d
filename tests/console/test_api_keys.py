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


def test_many_are_found_and_revoked_at_once(page: Page, lab: Lab) -> None:
    texts = [make(page, f"batch-{number}") for number in range(3)]
    page.goto("/api-keys")
    page.get_by_role("searchbox").fill("batch-")
    expect(page).to_have_url(re.compile(r"q=batch-$"))
    expect(page.locator(".row .row-link")).to_have_text(["batch-2", "batch-1", "batch-0"])
    for name in ("batch-0", "batch-2"):
        page.get_by_role("checkbox", name=f"Select {name}").check()
    expect(page.locator(".bulk [data-picked]")).to_have_text("2 keys selected")
    assert axe(page) == []
    page.locator(".bulk").get_by_role("button", name="Revoke").click()
    expect(page.get_by_role("dialog")).to_contain_text("2 keys selected")
    page.get_by_role("dialog").get_by_role("button", name="Revoke the keys").click()
    expect(page.locator("#toasts")).to_contain_text("2 keys are revoked")
    expect(page).to_have_url(re.compile(r"/api-keys\?q=batch-$"))
    assert [status(lab, text) for text in texts] == [401, 200, 401]
    page.get_by_role("link", name="Active", exact=True).click()
    expect(page.locator(".row .row-link")).to_have_text(["batch-1"])


def test_what_is_made_elsewhere_appears(page: Page, lab: Lab) -> None:
    page.goto("/api-keys")
    expect(page.locator("#live-state")).to_have_attribute("data-state", "open")
    page.get_by_role("searchbox").fill("elsewhere")
    expect(page.get_by_text("Nothing fits")).to_be_visible()
    lab.client.post("/api/v1/api-keys", json={"name": "made elsewhere"})
    expect(page.locator(".row .row-link")).to_have_text(["made elsewhere"])
    expect(page.get_by_role("searchbox")).to_have_value("elsewhere")

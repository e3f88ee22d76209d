"""Two people in two browsers: invited, joined, promoted, in two organizations, removed, out."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.console import MARKS
from tests.console.lab import Lab
from tests.peers.browser import Watch

pytestmark = MARKS


def visit(browser: Browser, lab: Lab, *, scripts: bool = True) -> Page:
    """A browser of somebody who is not signed in."""
    return browser.new_context(base_url=lab.server.url, java_script_enabled=scripts).new_page()


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without scripts"])
def test_from_invitation_to_removal(page: Page, browser: Browser, lab: Lab, watch: Watch, scripts: bool) -> None:
    email, name = ("grace@lab.test", "Grace") if scripts else ("barbara@lab.test", "Barbara")
    page.goto("/invitations/new")
    page.get_by_label("Email address").fill(email)
    page.get_by_role("button", name="Invite").click()
    link = page.locator("#secret").inner_text()

    theirs = visit(browser, lab, scripts=scripts)
    theirs.goto(link)
    theirs.get_by_label("Your name").fill(name)
    theirs.get_by_role("button", name="Join").click()
    expect(theirs.get_by_role("heading", name="Jobs", exact=True)).to_be_visible()

    page.goto(f"/members?q={email}")
    page.get_by_role("link", name=name, exact=True).click()
    page.get_by_role("combobox", name="Role").select_option("admin")
    page.get_by_role("button", name="Change the role").click()
    expect(page.locator(".page-head .tag")).to_have_text("Admin")
    theirs.goto("/invitations")
    expect(theirs.get_by_role("heading", name="Invitations", exact=True)).to_be_visible()

    theirs.goto("/organizations/new")
    theirs.get_by_label("Name").fill(f"{name}'s own")
    theirs.get_by_role("button", name="Make the organization").click()
    expect(theirs.get_by_role("heading", name="Members")).to_be_visible()
    theirs.locator(".organization-menu").click()
    theirs.get_by_role("button", name="Home").click()
    expect(theirs.locator(".organization-menu")).to_have_attribute("title", "Home")

    page.goto(f"/members?q={email}")
    page.get_by_role("link", name=name, exact=True).click()
    page.get_by_role("button", name="Remove").first.click()
    page.get_by_role("dialog").get_by_role("button", name="Remove").click()
    expect(page).to_have_url(f"{lab.server.url}/members")
    expect(page.locator("#toasts")).to_contain_text(f"{name} is removed")
    theirs.goto("/jobs")
    expect(theirs.get_by_role("heading", name="Sign in", exact=True)).to_be_visible()
    theirs.context.close()


def test_lists_of_people_show_what_happens_elsewhere(page: Page, lab: Lab) -> None:
    invitation = lab.client.post("/api/v1/invitations", json={"email": "edsger@lab.test"}).json()
    page.goto("/invitations?state=pending")
    expect(page.locator("#live-state")).to_have_attribute("data-state", "open")
    expect(page.get_by_role("link", name="edsger@lab.test")).to_be_visible()
    lab.client.delete(f"/api/v1/invitations/{invitation['id']}")
    expect(page.get_by_role("link", name="edsger@lab.test")).to_be_hidden()

    page.goto("/teams")
    expect(page.locator("#live-state")).to_have_attribute("data-state", "open")
    page.get_by_label("New team").fill("half typed")
    lab.client.post("/api/v1/teams", json={"name": "Compilers"})
    expect(page.get_by_role("link", name="Compilers")).to_be_visible()
    expect(page.get_by_label("New team")).to_have_value("half typed")

    page.goto("/members")
    expect(page.locator("#live-state")).to_have_attribute("data-state", "open")
    lab.client.patch("/api/v1/settings/profile", json={"name": "Ada L."})
    expect(page.locator(".row").get_by_text("Ada L.")).to_be_visible()
    lab.client.patch("/api/v1/settings/profile", json={"name": "Ada"})
    expect(page.locator(".row").get_by_text("Ada L.")).to_be_hidden()

"""The audit trail with its filters; the profile, and sessions that end."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from tests.console import MARKS
from tests.console.lab import Lab
from tests.peers.browser import Watch, axe

pytestmark = MARKS


def test_the_trail_is_narrowed_by_what_who_and_when(page: Page, lab: Lab) -> None:
    job_id = lab.finished("trailed")
    lab.key()
    page.goto("/events")
    expect(page.locator("tbody")).to_contain_text("job.succeeded")
    tabs = page.get_by_role("navigation", name="What it was about")
    tabs.get_by_role("link", name="API keys").click()
    expect(tabs.get_by_role("link", name="API keys")).to_have_attribute("aria-current", "page")
    expect(page.locator("tbody")).to_contain_text("api_key.created")
    expect(page.locator("tbody")).not_to_contain_text("job.")
    page.get_by_label("Who").select_option("me")
    expect(page).to_have_url(re.compile(r"actor=me"))
    page.goto(f"/jobs/{job_id}")
    page.get_by_label("More about this job").click()
    page.get_by_role("link", name="Activity").click()
    expect(page.locator("tbody tr").first).to_contain_text("job.succeeded")
    expect(page.locator("tbody tr").last).to_contain_text("job.submitted")
    expect(page.locator("tbody tr").filter(has_not_text="trailed")).to_have_count(0)
    page.go_back()
    expect(page.get_by_role("heading", name="trailed")).to_be_visible()


def test_a_filter_keeps_the_others_and_what_is_exported_follows(page: Page, lab: Lab) -> None:
    page.goto("/events?action=job&until=2999-01-01T00:00:00Z")
    kept = page.locator(".brand, nav").first.element_handle()
    page.get_by_label("Time").select_option("24h")
    expect(page).to_have_url(re.compile(r"action=job&since=24h&until=2999-01-01T00"))
    assert kept and kept.evaluate("e => e.isConnected"), "the whole page was loaded"
    page.get_by_label("Export what these filters show").click()
    page.keyboard.press("Escape")
    page.get_by_label("Until").select_option("Until now")
    expect(page.get_by_label("Until")).to_have_count(0)
    page.get_by_label("Export what these filters show").click()
    exported = page.get_by_role("link", name="As CSV")
    expect(exported).to_have_attribute("href", re.compile(r"/events/export\?action=job&since=24h&format=csv$"))
    assert axe(page) == []
    page.go_back()
    expect(page.get_by_label("Until")).to_have_count(1)


def test_what_happens_appears_on_the_newest_page(page: Page, lab: Lab) -> None:
    page.goto("/events?action=team")
    expect(page.locator("#live-state")).to_have_attribute("data-state", "open")
    lab.client.post("/api/v1/teams", json={"name": "Seen at once"})
    expect(page.locator(".row").first).to_contain_text("Seen at once")


def test_a_person_is_called_as_they_wish(page: Page, lab: Lab) -> None:
    page.goto("/settings")
    page.get_by_label("Name").fill("Ada Lovelace")
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".user-menu")).to_contain_text("Ada Lovelace")
    lab.client.post("/settings/profile", data={"_method": "PATCH", "name": "Ada"})


def test_a_mistake_is_told_and_a_reload_shows_the_form_again(page: Page, watch: Watch) -> None:
    watch.expect("status of 422")
    page.goto("/settings")
    page.get_by_label("Name").fill("   ")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Write something here.").first).to_be_visible()
    expect(page).to_have_url(re.compile("/settings$"))
    page.reload()
    expect(page.get_by_label("Name")).to_have_value("Ada")


def test_another_session_is_ended(page: Page, lab: Lab) -> None:
    other = lab.server.signed_in("Ada")
    assert other.get("/api/v1/jobs").status_code == 200
    page.goto("/settings/sessions")
    expect(page.get_by_text("this one")).to_have_count(1)
    sessions = page.locator(".sessions li")
    before = sessions.count()
    sessions.filter(has=page.get_by_role("button", name="End")).first.get_by_role("button", name="End").click()
    expect(sessions).to_have_count(before - 1)
    assert other.get("/api/v1/jobs").status_code == 401
    assert lab.client.get("/api/v1/jobs").status_code == 200

"""What keeps a page live: one stream, opened while somebody sees the page, and a log whose store fails meanwhile."""

from __future__ import annotations

import re

from playwright.sync_api import Locator, Page, Route, expect

from tests.console import MARKS
from tests.console.lab import Lab
from tests.peers.browser import Watch

pytestmark = MARKS

HIDE = "Object.defineProperty(document, 'hidden', { get: () => globalThis.unseen ?? true, configurable: true })"
SHOW = "globalThis.unseen = false; document.dispatchEvent(new Event('visibilitychange'))"


def sign(page: Page) -> Locator:
    return page.locator("#live-state")


def test_a_page_that_nobody_sees_opens_no_stream(page: Page) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.add_init_script(HIDE)
    page.goto("/members")
    page.wait_for_load_state("networkidle")
    expect(sign(page)).to_have_attribute("data-state", "waiting")
    assert not [url for url in asked if "/live?" in url]
    page.evaluate(SHOW)
    expect(sign(page)).to_have_attribute("data-state", "open")
    assert len([url for url in asked if "/live?" in url]) == 1


def test_the_stream_of_a_page_that_was_left_says_nothing_of_the_next(page: Page, watch: Watch) -> None:
    watch.expect("status of 503")
    held: list[Route] = []
    page.route("**/live?topics=team", lambda route: held.append(route))  # noqa: PLW0108
    with page.expect_request("**/live?topics=team"):
        page.goto("/teams")
    page.get_by_role("link", name="Members", exact=True).click()
    expect(page.get_by_role("heading", name="Members")).to_be_visible()
    expect(sign(page)).to_have_attribute("data-state", "open")
    with page.expect_response("**/live?topics=team"):
        held[0].fulfill(status=503, body="away")
    page.wait_for_timeout(300)
    expect(sign(page)).to_have_attribute("data-state", "open")


def test_an_open_menu_of_the_audit_stays_open(page: Page, lab: Lab) -> None:
    page.goto("/events?action=team")
    expect(sign(page)).to_have_attribute("data-state", "open")
    page.get_by_label("Export what these filters show").click()
    expect(page.get_by_role("link", name="As CSV")).to_be_visible()
    lab.client.post("/api/v1/teams", json={"name": "Beside the menu"})
    expect(page.locator(".row").first).to_contain_text("Beside the menu")
    expect(page.get_by_role("link", name="As CSV")).to_be_visible()


def test_from_an_older_page_of_the_audit_to_the_newest(page: Page, lab: Lab) -> None:
    for name in ("Older", "Newer"):
        lab.client.post("/api/v1/teams", json={"name": name})
    page.goto("/events?action=team&limit=1")
    page.get_by_role("link", name="Older", exact=True).last.click()
    expect(page).to_have_url(re.compile("cursor="))
    page.get_by_label("Time").select_option("1h")
    expect(page).to_have_url(re.compile("since=1h"))
    expect(page.locator(".row").first).to_contain_text("Newer")
    lab.client.post("/api/v1/teams", json={"name": "Newest"})
    expect(page.locator(".row").first).to_contain_text("Newest")


def test_a_refusal_stays_on_the_page(page: Page, lab: Lab, watch: Watch) -> None:
    watch.expect("status of 422")
    lab.key()
    page.goto("/api-keys")
    expect(sign(page)).to_have_attribute("data-state", "open")
    page.evaluate("document.getElementById('picked-keys').requestSubmit()")
    expect(page.get_by_role("alert")).to_contain_text("Tick the keys to revoke first.")
    expect(sign(page)).to_have_attribute("data-state", "open")
    lab.key()
    expect(page.get_by_role("alert")).to_contain_text("Tick the keys to revoke first.")


def test_a_store_that_fails_is_told_of_once_and_read_again(page: Page, lab: Lab, watch: Watch) -> None:
    watch.expect("status of 503")
    job_id = lab.submit("unread", "for i in $(seq 100000); do echo line $i; sleep 0.05; done")
    lab.reach(job_id, "running")
    page.goto(f"/jobs/{job_id}")
    expect(page.locator("[data-log-state]")).to_contain_text("Live")
    page.route("**/logs?offset=*", lambda route: route.fulfill(status=503, body="away"))
    expect(page.locator("#toasts .toast")).to_have_count(1)
    page.wait_for_timeout(2_000)
    expect(page.locator("#toasts .toast")).to_have_count(1)
    page.unroute("**/logs?offset=*")
    lab.stop(job_id)
    expect(page.locator("[data-log-state]")).to_contain_text("Complete")
    last = lab.client.get(f"/api/v1/jobs/{job_id}/logs?tail=2").text.splitlines()
    expect(page.locator(".log-row").get_by_text(last[0], exact=True)).to_be_attached()


def test_a_first_read_that_fails_is_made_again(page: Page, lab: Lab, watch: Watch) -> None:
    watch.expect("status of 503")
    job_id = lab.finished("read-late", "echo here it is")
    page.route("**/logs?offset=*", lambda route: route.fulfill(status=503, body="away"), times=2)
    page.goto(f"/jobs/{job_id}")
    expect(page.locator(".log-row").get_by_text("here it is", exact=True)).to_be_visible()
    expect(page.locator("[data-log-state]")).to_contain_text("Complete")

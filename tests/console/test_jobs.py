"""The list of jobs: live rows, filters that live in the address, many at once, and all of it from the keyboard."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.console import MARKS
from tests.console.lab import HELD, Lab
from tests.peers.browser import Watch, axe

pytestmark = MARKS


def test_an_empty_list_says_what_to_do(page: Page) -> None:
    page.goto("/jobs?q=nothing-has-this-name")
    expect(page.get_by_role("heading", name="No job matches")).to_be_visible()
    page.get_by_role("link", name="All jobs").click()
    expect(page).to_have_url(re.compile("/jobs$"))


def test_rows_come_and_change_by_themselves(page: Page, lab: Lab) -> None:
    page.goto("/jobs?q=comes-alive")
    expect(page.locator("#live-state")).to_have_attribute("data-state", "open")
    page.evaluate("window.stays = true")
    job_id = lab.submit("comes-alive", "sleep 600")
    row = page.locator(f"#{job_id}")
    expect(row.locator(".badge")).to_have_text("Running")
    lab.stop(job_id)
    expect(row.locator(".badge")).to_have_text("Stopped")
    assert page.evaluate("window.stays"), "the page was loaded again"


@pytest.mark.parametrize("by", ["the server", "a proxy"])
def test_a_list_outlives_a_refresh_that_fails(page: Page, lab: Lab, watch: Watch, by: str) -> None:
    watch.expect("status of 50[23]")
    name = f"outlives-{by.replace(' ', '-')}"
    first = lab.finished(name)
    page.goto(f"/jobs?q={name}")
    headers = {"X-Request-Id": "0", "HX-Retarget": "#toasts", "HX-Reswap": "innerHTML"} if by == "the server" else {}
    status, toast = (503, '<div class="toast">Later</div>') if by == "the server" else (502, "<h1>Bad Gateway</h1>")
    page.route("**/jobs?*", lambda route: route.fulfill(status=status, body=toast, headers=headers), times=1)
    second = lab.finished(name)
    expect(page.locator("#toasts")).to_contain_text("Later" if by == "the server" else "could not be reached (502)")
    expect(page.locator(f"#{first}")).to_be_visible()
    page.unroute("**/jobs?*")
    third = lab.finished(name)
    for job_id in (first, second, third):
        expect(page.locator(f"#{job_id}")).to_be_visible()


def test_a_row_says_why(page: Page, lab: Lab) -> None:
    job_id = lab.finished("says-why", "exit 3")
    page.goto("/jobs?q=says-why")
    reason = page.locator(f"#{job_id} .row-reason")
    expect(reason).to_have_text("exited with code 3")
    assert reason.evaluate("e => e.scrollWidth <= e.clientWidth"), "it is cut off"


def test_filters_live_in_the_address(page: Page, lab: Lab) -> None:
    lab.finished("filtered-good")
    lab.finished("filtered-bad", "exit 1")
    page.goto("/jobs?q=filtered-")
    page.get_by_role("navigation", name="States").get_by_role("link", name="Failed").click()
    expect(page.locator(".row .row-link")).to_have_text(["filtered-bad"])
    expect(page).to_have_url(re.compile(r"q=filtered-&state=failed"))
    page.reload()
    expect(page.locator(".row .row-link")).to_have_text(["filtered-bad"])
    page.get_by_label("Owner").select_option("me")
    expect(page).to_have_url(re.compile(r"owner=me"))
    expect(page.locator(".tab-count")).to_have_count(0)
    page.go_back()
    expect(page).not_to_have_url(re.compile(r"owner=me"))
    page.go_back()
    expect(page.locator(".row .row-link")).to_have_text(["filtered-bad", "filtered-good"])


def test_the_states_are_counted_of_what_the_other_filters_leave(page: Page, lab: Lab) -> None:
    for run in ("true", "true", "exit 1"):
        lab.finished("counted", run)
    page.goto("/jobs?name=counted&state=failed")
    states = page.get_by_role("navigation", name="States")
    for name, number in (("All", 3), ("Succeeded", 2), ("Failed", 1), ("Queued", 0)):
        expect(states.get_by_role("link", name=f"{name} {number}")).to_be_visible()
    expect(page.locator(".row .row-link")).to_have_text(["counted"])


def test_a_text_too_short_matches_nothing_and_says_so(page: Page, lab: Lab) -> None:
    lab.finished("short-search")
    page.goto("/jobs")
    page.locator("#jobs-search").press_sequentially("sh")
    expect(page.get_by_role("heading", name="Type a little more")).to_be_visible()
    expect(page.locator(".row")).to_have_count(0)
    page.locator("#jobs-search").press_sequentially("ort-search")
    expect(page.locator(".row .row-link")).to_have_text(["short-search"])


def test_a_pool_and_a_state_are_chosen_and_what_the_address_adds_is_shown(page: Page, lab: Lab) -> None:
    lab.finished("in-a-pool")
    page.goto("/jobs?name=in-a-pool&until=2999-01-01T00:00:00Z")
    page.get_by_label("Pool").select_option("local")
    expect(page).to_have_url(re.compile(r"pool=local"))
    expect(page.locator(".row .row-link")).to_have_text(["in-a-pool"])
    page.get_by_label("Until").select_option("Until now")
    expect(page.get_by_label("Until")).to_have_count(0)
    page.get_by_role("navigation", name="States").get_by_role("link", name="Stopping").click()
    expect(page.get_by_role("heading", name="No job matches")).to_be_visible()
    expect(page).to_have_url(re.compile(r"pool=local&name=in-a-pool&state=stopping"))


def test_slash_searches_by_name(page: Page, lab: Lab) -> None:
    lab.finished("needle-in-a-haystack")
    page.goto("/jobs")
    page.keyboard.press("/")
    expect(page.locator("#jobs-search")).to_be_focused()
    page.keyboard.type("needle-in")
    expect(page.locator(".row .row-link")).to_have_text(["needle-in-a-haystack"])
    expect(page).to_have_url(re.compile(r"q=needle-in"))
    expect(page.locator("#jobs-search")).to_be_focused()
    expect(page.locator("#jobs-search")).to_have_value("needle-in")


def test_escape_gives_up_a_search(page: Page, lab: Lab) -> None:
    lab.finished("not-searched")
    page.goto("/jobs")
    page.locator("#jobs-search").fill("nowhere-to-be-found")
    expect(page).to_have_url(re.compile("q=nowhere"))
    expect(page.locator(".row")).to_have_count(0)
    page.locator("#jobs-search").press("Escape")
    expect(page.locator("#jobs-search")).to_have_value("")
    expect(page).to_have_url(re.compile("/jobs$"))
    expect(page.get_by_role("link", name="not-searched")).to_be_visible()


def test_a_pasted_id_finds_its_job(page: Page, lab: Lab) -> None:
    job_id = lab.finished("pasted-id")
    page.goto("/jobs")
    page.locator("#jobs-search").fill(job_id)
    expect(page.locator(".row .row-link")).to_have_text(["pasted-id"])
    expect(page).to_have_url(re.compile(f"q={job_id}"))


def test_many_are_stopped_at_once(page: Page, lab: Lab) -> None:
    holder = lab.submit("bulk-holder", "sleep 600", resources=HELD)
    lab.reach(holder, "running", "queued")
    ids = [lab.submit(f"bulk-{number}", resources=HELD, priority=-100) for number in range(3)]
    page.goto("/jobs?q=bulk-&state=queued")
    for job_id in ids[:2]:
        page.locator(f"#{job_id}").get_by_role("checkbox").check()
    expect(page.locator(".bulk [data-picked]")).to_have_text("2 jobs selected")
    page.locator(".bulk").get_by_role("button", name="Stop").click()
    dialog = page.get_by_role("dialog", name="Stop the selected jobs?")
    assert axe(page) == []
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    page.locator(".bulk").get_by_role("button", name="Stop").click()
    dialog.get_by_role("button", name="Stop the jobs").click()
    expect(dialog).to_be_hidden()
    expect(page.locator("#toasts")).to_contain_text("2 jobs are told to stop")
    expect(page).to_have_url(re.compile(r"/jobs\?q=bulk-&state=queued$"))
    expect(page.locator(".row .row-link")).to_have_text(["bulk-2"])
    assert [lab.job(job_id)["state"] for job_id in ids] == ["stopped", "stopped", "queued"]
    for job_id in (ids[2], holder):
        lab.stop(job_id)


def test_the_keyboard_walks_the_rows(page: Page, lab: Lab) -> None:
    lab.change_pool(drained=True)
    ids = [lab.submit(f"walked-{number}") for number in range(3)][::-1]
    try:
        page.goto("/jobs?q=walked-")
        page.keyboard.press("j")
        expect(page.locator(f"#{ids[0]} .row-link")).to_be_focused()
        page.keyboard.press("j")
        page.keyboard.press("x")
        expect(page.locator(f"#{ids[1]}").get_by_role("checkbox")).to_be_checked()
        page.keyboard.press("k")
        expect(page.locator(f"#{ids[0]} .row-link")).to_be_focused()
        page.keyboard.press("Enter")
        expect(page).to_have_url(re.compile(f"/jobs/{ids[0]}$"))
        page.go_back()
        expect(page.get_by_role("heading", name="Jobs", exact=True)).to_be_visible()
        page.keyboard.press("c")
        expect(page).to_have_url(re.compile("/jobs/new$"))
    finally:
        lab.change_pool(drained=False)


def test_pages_go_on_where_the_last_one_ended(page: Page, lab: Lab) -> None:
    for number in range(3):
        lab.finished(f"paged-{number}")
    page.goto("/jobs?q=paged-&limit=2")
    expect(page.locator(".row .row-link")).to_have_text(["paged-2", "paged-1"])
    page.get_by_role("link", name="Older").click()
    expect(page.locator(".row .row-link")).to_have_text(["paged-0"])
    page.get_by_role("link", name="Newest").click()
    expect(page.locator(".row .row-link")).to_have_text(["paged-2", "paged-1"])

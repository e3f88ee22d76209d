"""Without scripts everything works that is not live."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.console import MARKS
from tests.console.conftest import as_ada
from tests.console.lab import Lab
from tests.peers.browser import Watch
from tests.peers.server import SIGN_IN_LINK

pytestmark = MARKS


@pytest.fixture
def context_options(lab: Lab) -> dict[str, Any]:
    return {**as_ada(lab), "java_script_enabled": False}


def test_one_signs_in(page: Page, lab: Lab) -> None:
    page.context.clear_cookies()
    link = SIGN_IN_LINK.search(lab.server.lattice("admin", "sign-in-link"))
    assert link
    page.goto(link[0])
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Jobs", exact=True)).to_be_visible()


def test_a_list_is_filtered(page: Page, lab: Lab) -> None:
    lab.finished("plain-good")
    lab.finished("plain-bad", "exit 1")
    page.goto("/jobs")
    page.locator("#jobs-search").fill("plain-")
    page.get_by_role("button", name="Apply").click()
    expect(page.locator(".row .row-link")).to_have_text(["plain-bad", "plain-good"])
    page.get_by_role("navigation", name="States").get_by_role("link", name="Failed").click()
    expect(page.locator(".row .row-link")).to_have_text(["plain-bad"])


def test_the_trail_is_filtered(page: Page, lab: Lab) -> None:
    lab.finished("plain-trail")
    page.goto("/events?until=2999-01-01T00:00:00Z")
    page.get_by_label("Who").select_option("me")
    page.get_by_role("button", name="Apply").click()
    expect(page).to_have_url(re.compile(r"actor=me&since=&until=2999-01-01T00"))
    expect(page.locator("tbody")).to_contain_text("job.submitted")


def test_a_job_is_submitted_and_stopped(page: Page, lab: Lab) -> None:
    page.goto("/jobs/new")
    form = page.locator("#job-form")
    form.get_by_label("Name").fill("plainly")
    form.get_by_label("Run").fill("echo no scripts here; exec sleep 600")
    form.get_by_label("CPUs").fill("0.1")
    form.get_by_label("Memory, GiB").fill("0.1")
    form.get_by_role("button", name="Submit job").click()
    expect(page.get_by_role("heading", name="plainly")).to_be_visible()
    job_id = page.url.rpartition("/")[2]
    lab.reach(job_id, "running")
    page.reload()
    page.get_by_role("button", name="Stop", exact=True).click()
    page.get_by_role("dialog").get_by_role("button", name="Stop the job").click()
    lab.reach(job_id, "stopped")
    page.reload()
    expect(page.locator(".job-head .badge")).to_have_text("Stopped")
    expect(page.locator(".log-plain")).to_contain_text("no scripts here")


def test_what_a_job_would_be_is_shown_on_a_page_of_its_own(page: Page) -> None:
    page.goto("/jobs/new")
    form = page.locator("#job-form")
    expect(form.get_by_text("shown here as you type")).to_be_hidden()
    form.get_by_label("Run").fill("true")
    form.get_by_role("button", name="Show them").click()
    expect(page.get_by_role("heading", name="Before you submit")).to_be_visible()
    expect(page.locator("main")).to_contain_text("At once")
    page.go_back()
    expect(form.get_by_label("Run")).to_have_value("true")


def test_the_whole_log_is_downloaded(page: Page, lab: Lab) -> None:
    page.goto(f"/jobs/{lab.finished('plain-log', 'echo all of it')}")
    with page.expect_download() as begun:
        page.get_by_role("link", name="The whole log").click()
    assert begun.value.suggested_filename == "plain-log.log"
    assert begun.value.path().read_text() == "all of it\n"


def test_a_mistake_stands_beside_its_field(page: Page, watch: Watch) -> None:
    watch.expect("status of 422")
    page.goto("/jobs/new")
    form = page.locator("#job-form")
    form.get_by_label("Run").fill("true")
    form.get_by_label("GPUs").fill("H100:9")
    form.get_by_role("button", name="Submit job").click()
    expect(page.locator("#resources\\.accelerators-error")).to_contain_text("H100")
    expect(page.locator("#resources\\.accelerators")).to_have_value("H100:9")


def test_many_are_stopped_at_once(page: Page, lab: Lab) -> None:
    lab.change_pool(drained=True)
    try:
        ids = [lab.submit(f"plain-bulk-{number}") for number in range(2)]
        page.goto("/jobs?q=plain-bulk-")
        page.locator(f"#{ids[0]}").get_by_role("checkbox").check()
        page.locator(".bulk").get_by_role("button", name="Stop").click()
        page.get_by_role("dialog").get_by_role("button", name="Stop the jobs").click()
        expect(page.locator("#toasts")).to_contain_text("1 job is told to stop")
        assert [lab.job(job_id)["state"] for job_id in ids] == ["stopped", "queued"]
    finally:
        lab.change_pool(drained=False)


def test_a_key_is_made_and_revoked(page: Page, lab: Lab) -> None:
    page.goto("/api-keys/new")
    page.get_by_label("Name").fill("plain-key")
    page.get_by_role("button", name="Make the key").click()
    key = page.locator("#secret").inner_text()
    page.get_by_role("link", name="Done").click()
    page.get_by_role("link", name="plain-key").click()
    page.get_by_role("button", name="Revoke").click()
    page.get_by_role("dialog").get_by_role("button", name="Revoke").click()
    expect(page).not_to_have_url(re.compile("revoke"))
    assert lab.server.client(Authorization=f"Bearer {key}").get("/api/v1/jobs").status_code == 401

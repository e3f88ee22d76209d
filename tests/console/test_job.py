"""The page of a job: its life as it happens, and what its owner may do about it."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from tests.console import MARKS
from tests.console.lab import HELD, Lab
from tests.peers.browser import axe, layout_shift

pytestmark = MARKS


def test_its_life_is_told_as_it_happens(page: Page, lab: Lab) -> None:
    lab.change_pool(drained=True, drain_reason="cleaning the fans")
    try:
        job_id = lab.submit("lives", "while :; do echo waiting; sleep 0.2; done")
        page.goto(f"/jobs/{job_id}")
        expect(page.locator(".job-head .badge")).to_have_text("Queued")
        expect(page.locator(".job-reason")).to_contain_text("drained")
        expect(page.locator("#live-state")).to_have_attribute("data-state", "open")
        page.evaluate("window.stays = true")
    finally:
        lab.change_pool(drained=False)
    expect(page.locator(".job-head .badge")).to_have_text("Running")
    expect(page.locator("[data-log-view]")).to_contain_text("waiting")
    lab.stop(job_id)
    expect(page.locator(".job-head .badge")).to_have_text("Stopped")
    expect(page.locator(".job-reason")).to_contain_text("Ada")
    expect(page.locator(".timeline")).to_contain_text("Submitted")
    expect(page.locator(".timeline")).to_contain_text("Told to stop")
    expect(page.locator("[data-log-state]")).to_contain_text("Complete")
    assert page.evaluate("window.stays"), "the page was loaded again"


def test_a_stop_is_asked_about_first(page: Page, lab: Lab) -> None:
    job_id = lab.submit("asked-about", "trap 'echo saved; exit 0' TERM; while :; do sleep 0.1; done")
    lab.reach(job_id, "running")
    page.goto(f"/jobs/{job_id}")
    page.get_by_role("button", name="Stop", exact=True).click()
    dialog = page.get_by_role("dialog", name="Stop asked-about?")
    expect(dialog).to_contain_text("TERM")
    assert axe(page) == []
    dialog.get_by_role("button", name="Cancel").click()
    expect(dialog).to_be_hidden()
    assert lab.job(job_id)["state"] == "running"
    page.get_by_role("button", name="Stop", exact=True).click()
    dialog.get_by_role("button", name="Stop the job").click()
    expect(page.locator(".job-head .badge")).to_have_text("Stopped")
    expect(page.locator("[data-log-view]")).to_contain_text("saved")


def test_a_question_goes_with_what_it_asks_about(page: Page, lab: Lab) -> None:
    """Answered late, it would be a second stop, which kills."""
    job_id = lab.submit("asked-late", "trap '' TERM; echo deaf; while :; do sleep 0.1; done", stop={"grace": "10m"})
    lab.reach(job_id, "running")
    page.goto(f"/jobs/{job_id}")
    page.get_by_role("button", name="Stop", exact=True).click()
    dialog = page.get_by_role("dialog", name="Stop asked-late?")
    expect(dialog).to_be_visible()
    lab.client.post(f"/api/v1/jobs/{job_id}/stop")
    expect(dialog).to_be_hidden()
    expect(page.get_by_role("button", name="Kill now")).to_be_visible()
    lab.stop(job_id)


def test_a_second_stop_is_asked_about_as_a_kill(page: Page, lab: Lab) -> None:
    job_id = lab.submit("killed", "trap '' TERM; echo deaf; while :; do sleep 0.1; done", stop={"grace": "10m"})
    lab.reach(job_id, "running")
    page.goto(f"/jobs/{job_id}")
    expect(page.locator("[data-log-view]")).to_contain_text("deaf")
    expect(page.locator("#live-state")).to_have_attribute("data-state", "open")
    lab.client.post(f"/api/v1/jobs/{job_id}/stop")
    page.get_by_role("button", name="Kill now").click()
    dialog = page.get_by_role("dialog", name="Kill killed now?")
    expect(dialog).to_contain_text("killed at once")
    assert axe(page) == []
    dialog.get_by_role("button", name="Kill the job now").click()
    expect(page.get_by_role("button", name="Kill now")).to_have_count(0)
    expect(page.locator(".job-head .badge")).to_have_text("Stopped")


def test_it_runs_again_as_a_job_of_its_own(page: Page, lab: Lab) -> None:
    job_id = lab.finished("twice", "echo again")
    page.goto(f"/jobs/{job_id}")
    page.get_by_role("button", name="Run again").click()
    expect(page).not_to_have_url(re.compile(job_id))
    expect(page.get_by_role("heading", name="twice")).to_be_visible()
    expect(page.locator("#toasts")).to_contain_text("twice is submitted again")
    expect(page.locator("[data-log-view]")).to_contain_text("again")


def test_its_task_is_edited_and_run_again(page: Page, lab: Lab) -> None:
    job_id = lab.finished("edited", "echo old words\nexit 0\n", envs={"WORDS": "new words"})
    page.goto(f"/jobs/{job_id}")
    page.get_by_role("radiogroup", name="View").get_by_text("Task").click()
    task = page.locator(".view-task pre")
    expect(task).to_contain_text("name: edited")
    copied = task.inner_text()
    page.locator(".view-task").get_by_role("link", name="Edit and run again").click()
    area = page.locator("#task_yaml")
    expect(area).to_have_value(re.compile("name: edited"))
    assert area.input_value().strip() == copied.strip()
    area.fill(copied.replace("echo old words", 'echo "$WORDS"'))
    page.locator("#task-form").get_by_role("button", name="Submit job").click()
    expect(page.locator("[data-log-view]")).to_contain_text("new words")
    assert page.url.rpartition("/")[2] != job_id


def test_the_task_is_copied(page: Page, lab: Lab) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto(f"/jobs/{lab.finished('copied', 'echo copy me')}")
    page.get_by_role("radiogroup", name="View").get_by_text("Task").click()
    page.get_by_role("button", name="Copy the task").click()
    expect(page.locator("#toasts")).to_contain_text("Copied")
    assert "run: echo copy me" in page.evaluate("navigator.clipboard.readText()")


def test_an_attempt_is_shown_as_what_came_of_it(page: Page, lab: Lab) -> None:
    stopped = lab.submit("comes-to-stopped", "sleep 600")
    lab.reach(stopped, "running")
    lab.stop(stopped)
    jobs = {
        "succeeded": lab.finished("comes-to-good"),
        "failed": lab.finished("comes-to-bad", "exit 4"),
        "stopped": stopped,
    }
    for outcome, job_id in jobs.items():
        assert lab.job(job_id)["attempts"][0]["outcome"] == outcome
        page.goto(f"/jobs/{job_id}")
        expect(page.locator(".attempts .badge")).to_have_text(outcome.capitalize())


def test_an_ended_job_says_nowhere_that_it_is_live(page: Page, lab: Lab) -> None:
    job_id = lab.submit("no-longer-live", "sleep 600")
    lab.reach(job_id, "running")
    page.goto(f"/jobs/{job_id}")
    expect(page.locator("#live-state")).to_have_attribute("data-state", "open")
    lab.stop(job_id)
    expect(page.locator(".job-head .badge")).to_have_text("Stopped")
    expect(page.locator("#live-state")).to_have_count(0)
    expect(page.locator("[data-log-none]")).to_have_text("The job wrote nothing.")


def test_an_empty_log_says_when_it_comes(page: Page, lab: Lab) -> None:
    lab.change_pool(drained=True)
    try:
        page.goto(f"/jobs/{lab.submit('writes-later', 'echo here it is')}")
        expect(page.locator("[data-log-none]")).to_contain_text("Nothing has been written yet")
        assert axe(page) == []
    finally:
        lab.change_pool(drained=False)
    expect(page.locator("[data-log-view]")).to_contain_text("here it is")
    expect(page.locator("[data-log-none]")).to_be_hidden()
    expect(page.locator("[data-log-place]")).to_have_text("At the end")


def test_its_id_stands_on_one_line_and_is_copied(page: Page, lab: Lab) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    job_id = lab.finished("id-copied")
    page.goto(f"/jobs/{job_id}")
    assert page.locator(".id-fact .mono").evaluate("e => e.getClientRects().length === 1 && e.clientHeight < 24")
    page.get_by_role("button", name="Copy the id").click()
    expect(page.locator("#toasts")).to_contain_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == job_id


def test_priority_decides_who_goes_first(page: Page, lab: Lab) -> None:
    holder = lab.submit("priority-holder", "sleep 600", resources=HELD)
    lab.reach(holder, "running")
    first, second = (lab.submit(f"priority-{name}", resources=HELD) for name in ("first", "second"))
    page.goto(f"/jobs/{second}")
    place = page.locator(".job-side .facts")
    expect(place).to_contain_text("Number 2")
    page.get_by_label("More about this job").click()
    page.get_by_role("button", name="Change name or priority").click()
    dialog = page.get_by_role("dialog", name="Change the job")
    dialog.get_by_label("Priority").fill("10")
    dialog.get_by_label("Name").fill("priority-now-first")
    dialog.get_by_role("button", name="Save").click()
    expect(page.get_by_role("heading", name="priority-now-first")).to_be_visible()
    expect(place).to_contain_text("Number 1")
    for job_id in (first, second, holder):
        lab.stop(job_id)


def test_a_priority_out_of_range_is_explained(page: Page, lab: Lab) -> None:
    lab.change_pool(drained=True)
    try:
        page.goto(f"/jobs/{lab.submit('out-of-range')}")
        page.get_by_label("More about this job").click()
        page.get_by_role("button", name="Change name or priority").click()
        dialog = page.get_by_role("dialog", name="Change the job")
        dialog.get_by_label("Priority").fill("5000")
        dialog.get_by_role("button", name="Save").click()
        assert dialog.get_by_label("Priority").evaluate("field => field.validity.rangeOverflow")
    finally:
        lab.change_pool(drained=False)


def test_what_comes_late_moves_nothing(page: Page, lab: Lab) -> None:
    job_id = lab.finished("stands-still", "seq 2000; exit 9")
    page.goto(f"/jobs/{job_id}")
    expect(page.locator("[data-log-view]")).to_contain_text("2000")
    expect(page.locator(".job-reason")).to_have_text("exited with code 9")
    assert layout_shift(page) < 0.01


def test_a_menu_stays_open_while_the_page_lives(page: Page, lab: Lab) -> None:
    job_id = lab.submit("menu-open", "sleep 600")
    lab.reach(job_id, "running")
    page.goto(f"/jobs/{job_id}")
    expect(page.locator("#live-state")).to_have_attribute("data-state", "open")
    page.get_by_label("More about this job").click()
    lab.stop(job_id)
    expect(page.locator(".job-head .badge")).to_have_text("Stopped")
    expect(page.get_by_role("link", name="Activity")).to_be_visible()

"""What was typed into the new-job page is there again, but for secrets, until it is submitted or its writer goes."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.console import MARKS
from tests.console.conftest import TASK, submit
from tests.peers.browser import Watch, axe

pytestmark = MARKS


def test_what_was_typed_outlives_leaving_the_page(form: Locator, page: Page, watch: Watch) -> None:
    watch.expect("status of 422")  # the value of a secret is missing
    form.get_by_label("Run").fill("python half_thought.py")
    form.get_by_text("Secrets, image, limits, queue").click()
    form.get_by_label("At most").fill("90m")
    form.get_by_label("Secret variables", exact=False).fill("TOKEN=hush")
    page.get_by_role("link", name="Node pools").first.click()
    expect(page).to_have_url(re.compile("/node-pools$"))
    page.go_back()
    expect(page.get_by_label("Run", exact=False).first).to_have_value("python half_thought.py")
    expect(page.get_by_label("At most")).to_have_value("90m")
    expect(page.get_by_label("At most")).to_be_visible()
    page.reload()
    expect(page.locator("#run")).to_have_value("python half_thought.py")
    expect(page.locator("#secrets_text")).to_have_value("TOKEN")
    assert "hush" not in page.evaluate("JSON.stringify(sessionStorage)")
    expect(page.locator("#preview")).to_contain_text("NAME=VALUE")
    expect(page.locator(".htmx-request")).to_have_count(0)
    assert axe(page) == []
    page.get_by_role("button", name="Start afresh").click()
    expect(page.locator("#run")).to_have_value("")
    expect(page.get_by_role("button", name="Start afresh")).to_be_hidden()


def test_a_task_that_was_typed_is_kept_without_the_values_of_its_secrets(task_form: Locator, page: Page) -> None:
    task_form.get_by_label("Task").fill(TASK + "secrets:\n  TOKEN: hush\n")
    assert "hush" not in page.evaluate("JSON.stringify(sessionStorage)")
    page.goto("/jobs/new")
    expect(page.locator("#task_yaml")).to_be_visible()
    expect(page.locator("#task_yaml")).to_have_value(TASK + "secrets:\n  TOKEN: null")
    page.locator("#task_yaml").fill(TASK)
    page.goto("/jobs/new")
    expect(page.locator("#task_yaml")).to_have_value(TASK)
    expect(page.get_by_text("but for secrets")).to_be_hidden()
    submit(page.locator("#task-form"))
    expect(page.get_by_role("heading", name="from-yaml")).to_be_visible()
    page.goto("/jobs/new")
    expect(page.locator("#run")).to_be_visible()
    expect(page.locator("#task_yaml")).to_have_value("")


@pytest.mark.parametrize("task", ['{"run": "true", "secrets": {"T": "hush"}}', "{run: x, secrets: {T: hush}}"])
def test_no_way_of_writing_secrets_keeps_them(task_form: Locator, page: Page, task: str) -> None:
    task_form.get_by_label("Task").fill(task)
    assert "hush" not in page.evaluate("JSON.stringify(sessionStorage)")


def test_of_secrets_the_names_are_kept_and_it_is_said(form: Locator, page: Page, watch: Watch) -> None:
    watch.expect("status of 422")
    form.get_by_label("Run").fill("echo secrets: none")
    form.get_by_text("Secrets, image, limits, queue").click()
    form.get_by_label("Secret variables", exact=False).fill("TOKEN=hush\nOTHER=hush=hush")
    page.goto("/jobs/new")
    expect(page.get_by_text("As you left it, but for secrets")).to_be_visible()
    expect(page.locator("#run")).to_have_value("echo secrets: none")
    expect(page.locator("#secrets_text")).to_have_value("TOKEN\nOTHER")
    expect(page.locator("#secrets_text")).to_be_visible()
    submit(page.locator("#job-form"))
    expect(page.locator("#secrets_text")).to_have_attribute("aria-invalid", "true")


def test_a_job_that_was_not_taken_is_kept_and_signing_out_forgets_it(form: Locator, page: Page, watch: Watch) -> None:
    watch.expect("status of 503")
    form.get_by_label("Run").fill("python not_taken.py")
    page.route("**/jobs", lambda route: route.fulfill(status=503, body="later"), times=1)
    submit(form)
    expect(page.locator("#toasts")).to_contain_text("503")
    page.goto("/jobs/new")
    expect(page.locator("#run")).to_have_value("python not_taken.py")
    page.route("**/auth/logout", lambda route: route.fulfill(status=204), times=1)
    page.locator("[action$='/auth/logout']").evaluate("form => form.requestSubmit()")
    assert page.evaluate("sessionStorage.length") == 0

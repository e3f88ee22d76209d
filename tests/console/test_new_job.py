"""A new job: by the form and as a task, with what it would cost and what is wrong with it said beforehand."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Locator, Page, ViewportSize, expect

from tests.console import MARKS
from tests.console.conftest import DESKTOP, PHONE, TASK, submit, turn_to
from tests.console.lab import HELD, Lab
from tests.peers import ROOT
from tests.peers.browser import Watch, axe

pytestmark = MARKS


def test_the_form_submits_a_job(form: Locator, page: Page, lab: Lab) -> None:
    form.get_by_label("Name").fill("by-the-form")
    form.get_by_label("Run").fill('echo "$GREETING, world"')
    form.get_by_label("CPUs").fill("0.1")
    form.get_by_label("Memory, GiB").fill("0.1")
    form.get_by_label("Variables", exact=False).first.fill("GREETING=hello")
    submit(form)
    expect(page).to_have_url(re.compile(r"/jobs/job_\w+$"))
    expect(page.get_by_role("heading", name="by-the-form")).to_be_visible()
    expect(page.locator("[data-log-view]")).to_contain_text("hello, world")
    assert lab.job(page.url.rpartition("/")[2])["envs"] == {"GREETING": "hello"}


def test_a_mistake_stands_beside_its_field(form: Locator, page: Page, watch: Watch) -> None:
    watch.expect("status of 422")
    form.get_by_label("Name").fill("kept-as-typed")
    form.get_by_label("Run").fill("nvidia-smi")
    form.get_by_label("GPUs").fill("H100:9")
    submit(form)
    gpus = page.locator("#resources\\.accelerators")
    expect(gpus).to_have_attribute("aria-invalid", "true")
    expect(page.locator("#resources\\.accelerators-error")).to_contain_text("H100")
    expect(gpus).to_have_value("H100:9")
    expect(page.locator("#name")).to_have_value("kept-as-typed")
    expect(page.locator("#run")).to_have_value("nvidia-smi")
    expect(page.locator("#preview .field-error")).to_contain_text("H100")
    expect(page.locator(".htmx-request")).to_have_count(0)
    assert axe(page) == []
    gpus.fill("H100:8")
    page.locator("#resources\\.cpus").fill("0.1")
    page.locator("#run").fill("true")
    submit(page.locator("#job-form"))
    expect(page).to_have_url(re.compile(r"/jobs/job_\w+$"))


def test_the_price_and_the_place_in_the_queue_come_first(form: Locator, page: Page, lab: Lab) -> None:
    preview = page.locator("#preview")
    form.get_by_label("Run").fill("nvidia-smi")
    expect(preview).to_contain_text("Price")
    expect(preview).to_contain_text("At once")
    holder = lab.submit("preview-holder", "sleep 600", resources=HELD)
    waiting = lab.submit("preview-waiting", resources=HELD)
    form.get_by_label("GPUs").fill("H100:8")
    expect(preview).to_contain_text("Number 2 in the queue")
    form.get_by_label("GPUs").fill("H100:9")
    expect(preview.locator(".field-error")).to_contain_text("GPUs: ")
    for job_id in (waiting, holder):
        lab.stop(job_id)


def test_a_task_is_taken_unchanged(task_form: Locator, page: Page) -> None:
    task_form.get_by_label("Task").fill(TASK)
    expect(page.locator("#preview-task")).to_contain_text("At once")
    submit(task_form)
    expect(page.get_by_role("heading", name="from-yaml")).to_be_visible()
    expect(page.locator("[data-log-view]")).to_contain_text("hello from 1 node")


@pytest.mark.parametrize("size", [DESKTOP, PHONE])
def test_a_task_has_room(task_form: Locator, page: Page, size: ViewportSize) -> None:
    page.set_viewport_size(size)
    area = task_form.get_by_label("Task")
    for text in ("", TASK * 20):
        area.fill(text)
        lines = area.evaluate("area => area.clientHeight / parseFloat(getComputedStyle(area).lineHeight)")
        assert 16 < lines < 26
    submit_button = task_form.get_by_role("button", name="Submit job").bounding_box()
    assert submit_button and submit_button["y"] + submit_button["height"] < size["height"]


def test_what_a_task_asks_in_vain_is_named(task_form: Locator, page: Page, watch: Watch) -> None:
    watch.expect("status of 422")
    refused = TASK + "service:\n  replicas: 2\n"
    task_form.get_by_label("Task").fill(refused)
    expect(page.locator("#preview-task")).to_contain_text("service")
    submit(task_form)
    expect(page.get_by_role("alert")).to_contain_text("service")
    expect(page.locator("#task_yaml")).to_be_visible()
    expect(page.locator("#task_yaml")).to_have_value(refused)


def test_the_example_is_taken(task_form: Locator, page: Page) -> None:
    task_form.get_by_label("Task").fill((ROOT / "examples/digits.yaml").read_text())
    expect(page.locator("#preview-task")).to_contain_text("At once")


def test_the_form_turns_into_a_task(form: Locator, page: Page) -> None:
    form.get_by_label("Name").fill("turned")
    form.get_by_label("Run").fill("echo turned")
    expect(page.locator("#preview pre")).to_contain_text("name: turned")
    turn_to(page, "YAML")
    expect(page.locator("#task_yaml")).to_have_value(re.compile("name: turned\nrun: echo turned"))


def test_what_can_not_be_read_is_said_in_the_card(form: Locator, page: Page, watch: Watch) -> None:
    watch.expect("status of 4")
    form.get_by_label("Run").fill("true")
    form.get_by_label("CPUs").fill("abc")
    says_so_inside(form.get_by_role("complementary", name="Before you submit"), "'abc'")
    turn_to(page, "YAML")
    task = page.locator("#task-form")
    task.get_by_label("Task").fill("run: [")
    says_so_inside(task.get_by_role("complementary", name="Before you submit"), "not YAML")


def says_so_inside(card: Locator, sentence: str) -> None:
    """Below the card's heading, as far from its edges as everything else in it."""
    mistake = card.locator(".field-error")
    expect(mistake).to_contain_text(sentence)
    heading = card.get_by_role("heading", name="Before you submit")
    expect(heading).to_be_visible()
    boxes = heading.bounding_box(), mistake.bounding_box()
    assert boxes[0] and boxes[1] and boxes[0]["x"] == boxes[1]["x"]


def test_a_task_that_is_too_large_stays(task_form: Locator, page: Page, watch: Watch) -> None:
    watch.expect("status of 413")
    large = "run: echo\n# " + "a long remark, " * 80_000
    task_form.get_by_label("Task").fill(large)
    submit(task_form)
    toast = page.locator("#toasts .toast")
    expect(toast).to_contain_text("larger than 1,048,576 bytes")
    expect(page).to_have_url(re.compile("/jobs/new$"))
    assert page.locator("#task_yaml").input_value() == large
    assert axe(page) == []
    toast.get_by_role("button", name="Dismiss").click()
    expect(toast).to_have_count(0)


def test_the_card_says_what_the_last_change_made_wrong(form: Locator, page: Page, watch: Watch) -> None:
    watch.expect("status of 422")
    preview = page.locator("#preview")
    form.get_by_label("Nodes").fill("1000000")
    form.get_by_label("Run").fill("true")
    expect(preview).to_contain_text("not from 1 to 1,000")
    form.get_by_label("Nodes").fill("1")
    expect(preview).to_contain_text("At once")
    form.get_by_label("Nodes").fill("one")
    expect(preview).to_contain_text("Give a whole number")
    form.get_by_label("Nodes").fill("1")
    expect(preview).to_contain_text("At once")
    form.get_by_label("Run").fill("")
    expect(preview).to_contain_text("This field is needed")


@pytest.mark.parametrize(
    ("label", "text", "is_open"), [("GPUs", "H100:9", False), ("Priority", "high", True), ("At most", "2h", True)]
)
def test_the_rest_is_open_where_there_is_something_in_it(
    form: Locator, page: Page, watch: Watch, label: str, text: str, is_open: bool
) -> None:
    watch.expect("status of 422")
    form.get_by_label("CPUs").fill("abc")
    form.get_by_label("Run").fill("true")
    form.get_by_text("Secrets, image, limits, queue").click()
    form.get_by_label(label).fill(text)
    submit(form)
    expect(page.get_by_role("alert")).to_be_visible()
    expect(page.locator("#max_duration")).to_be_visible(visible=is_open)


def test_mistakes_bear_the_names_of_the_form(form: Locator, page: Page, watch: Watch) -> None:
    watch.expect("status of 422")
    form.get_by_label("Run").fill("true")
    form.get_by_label("GPUs").fill("H100:9")
    form.get_by_label("Variables", exact=False).first.fill("1X=2")
    expect(page.locator("#preview")).to_contain_text("Variables: 1X: A variable's name")
    submit(form)
    expect(page.locator("#envs_text-error")).to_contain_text("1X: A variable's name")
    banner = page.get_by_role("alert")
    expect(banner.get_by_role("listitem")).to_have_text(["Variables"])
    page.locator("#envs_text").fill("X=2")
    submit(form)
    expect(banner.get_by_role("listitem")).to_have_text(["GPUs"])
    banner.get_by_role("link", name="GPUs").click()
    expect(page.locator("#resources\\.accelerators")).to_be_focused()
    expect(page.locator("main")).not_to_contain_text("resources.")
    assert axe(page) == []


def test_mistakes_of_a_task_bear_its_own_names(task_form: Locator, page: Page, watch: Watch) -> None:
    watch.expect("status of 422")
    task_form.get_by_label("Task").fill("run: 'true'\nresources: {accelerators: H100:9}")
    expect(page.locator("#preview-task")).to_contain_text("resources.accelerators: ")
    submit(task_form)
    expect(page.get_by_role("alert")).to_contain_text("resources.accelerators: ")


def test_a_task_turns_into_the_form_and_back(task_form: Locator, page: Page) -> None:
    task = page.locator("#task_yaml")
    task.fill(TASK)
    turn_to(page, "Form")
    expect(page.locator("#name")).to_have_value("from-yaml")
    expect(page.locator("#resources\\.cpus")).to_have_value("0.1+")
    expect(page.locator("#envs_text")).to_have_value("GREETING=hello")
    expect(page.locator("#preview")).to_contain_text("At once")
    turn_to(page, "YAML")
    expect(task).to_have_value(TASK)
    turn_to(page, "Form")
    page.locator("#name").fill("by-the-form")
    expect(page.locator("#preview pre")).to_contain_text("by-the-form")
    turn_to(page, "YAML")
    expect(task).to_have_value(re.compile("name: by-the-form"))
    expect(page.locator("#preview-task pre")).to_contain_text("by-the-form")
    expect(page.locator(".htmx-request")).to_have_count(0)
    assert axe(page) == []


def test_a_secret_typed_in_the_form_stays_there(form: Locator, page: Page) -> None:
    form.get_by_text("Secrets, image, limits, queue").click()
    form.get_by_label("Run").fill("true")
    secrets = page.locator("#secrets_text")
    secrets.fill("TOKEN=only mine")
    expect(page.locator("#preview pre")).to_contain_text("TOKEN: null")
    turn_to(page, "YAML")
    task = page.locator("#task_yaml")
    expect(task).to_have_value(re.compile("TOKEN: null"))
    task.fill("run: date\nsecrets: {TOKEN: null, OTHER: null}")
    answers: list[str] = []
    page.on("requestfinished", lambda r: answers.append(r.post_data or "") if r.url.endswith("/jobs/new") else None)
    turn_to(page, "Form")
    expect(secrets).to_have_value("TOKEN=only mine\nOTHER")
    assert len(answers) == 1 and "only" not in answers[0]


def test_the_form_says_what_of_a_task_it_can_not_show(task_form: Locator, page: Page) -> None:
    task = page.locator("#task_yaml")
    both = "run: date\nresources:\n  any_of: [{cpus: 0.1}, {cpus: 0.2}]\n"
    task.fill(both)
    turn_to(page, "Form")
    expect(page.locator("#job-fields").get_by_role("status")).to_contain_text("resources.any_of")
    expect(page.locator("#run")).to_have_value("date")
    expect(page.locator("#preview")).to_contain_text("At once")
    expect(page.locator(".htmx-request")).to_have_count(0)
    assert axe(page) == []
    page.locator("#name").fill("apart")
    expect(page.locator("#preview pre")).to_contain_text("apart")
    turn_to(page, "YAML")
    expect(task).to_have_value(both)


def test_what_is_no_task_does_not_fill_the_form(form: Locator, page: Page, watch: Watch) -> None:
    watch.expect("status of 400")
    page.locator("#name").fill("as-typed")
    form.get_by_text("Secrets, image, limits, queue").click()
    page.locator("#secrets_text").fill("TOKEN=kept")
    turn_to(page, "YAML")
    page.locator("#task_yaml").fill("run: [")
    turn_to(page, "Form")
    expect(form.get_by_role("alert")).to_contain_text("not YAML that can be read")
    expect(page.locator("#name")).to_have_value("as-typed")
    expect(page.locator("#secrets_text")).to_have_value("TOKEN=kept")
    turn_to(page, "YAML")
    expect(page.locator("#task_yaml")).to_have_value("run: [")


def test_a_copied_job_is_edited_in_the_form(page: Page, lab: Lab) -> None:
    copied = lab.submit("to-be-copied", envs={"A": "1"}, max_duration="1h")
    page.goto(f"/jobs/new?from={copied}")
    turn_to(page, "Form")
    expect(page.locator("#name")).to_have_value("to-be-copied")
    expect(page.locator("#envs_text")).to_have_value("A=1")
    expect(page.locator("#max_duration")).to_have_value("1h")
    page.locator("#run").fill("echo edited")
    submit(page.locator("#job-form"))
    expect(page).to_have_url(re.compile(r"/jobs/job_\w+$"))
    assert lab.job(page.url.rpartition("/")[2])["run"] == "echo edited"


def test_a_fold_with_a_mistake_in_it_closes_like_any(form: Locator, page: Page, watch: Watch) -> None:
    watch.expect("status of 422")
    form.get_by_label("Run").fill("true")
    form.get_by_text("Secrets, image, limits, queue").click()
    form.get_by_label("Priority").fill("much")
    submit(form)
    expect(page.locator("#priority")).to_have_attribute("aria-invalid", "true")
    page.evaluate("window.stays = true")
    page.get_by_text("Secrets, image, limits, queue").click()
    expect(page.locator("#priority")).to_be_hidden()
    assert page.evaluate("window.stays"), "the page was loaded again"

"""The pool of this machine: what it has, who holds it, and how it is drained, opened and set."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.console import MARKS
from tests.console.lab import HELD, Lab
from tests.peers.browser import Watch, axe

pytestmark = MARKS


@pytest.fixture
def pool(page: Page, lab: Lab) -> Page:
    page.goto("/node-pools")
    page.get_by_role("link", name="local").click()
    expect(page.get_by_role("heading", name="local")).to_be_visible()
    return page


@pytest.mark.parametrize("width", [360, 768, 1024, 1280, 1920])
def test_the_list_fits_any_width(page: Page, lab: Lab, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    page.goto("/node-pools")
    row = page.locator(".row")
    cells = row.locator("td").all()
    boxes = [box for cell in cells if (box := cell.bounding_box())]
    assert len(boxes) == 7
    for at, one in enumerate(boxes):
        assert one["width"] >= 28, f"cell {at} is squeezed"
        assert one["x"] + one["width"] <= width, f"cell {at} is cut off"
        for other in boxes[at + 1 :]:
            beside = one["x"] + one["width"] <= other["x"] or other["x"] + other["width"] <= one["x"]
            assert beside or one["y"] + one["height"] <= other["y"], f"cell {at} is covered"
    assert cells[0].evaluate("e => e.scrollWidth <= e.clientWidth"), "the name is cut off"
    assert axe(page) == []


def test_on_a_phone_each_bar_has_its_name(page: Page) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto("/node-pools")
    for name in ("CPUs", "Memory", "GPUs"):
        expect(page.locator(".row .bar").filter(has_text=name).get_by_text(name, exact=True)).to_be_visible()


def test_capacity_and_gpus_are_shown_as_they_are_taken(pool: Page, lab: Lab) -> None:
    expect(pool.locator(".gpu")).to_have_count(8)
    expect(pool.locator(".gpu").get_by_text("fake")).to_have_count(8)
    expect(pool.get_by_label("Capacity")).to_contain_text("0 of 8")
    holder = lab.submit("gpu-holder", "sleep 600", resources={**HELD, "accelerators": "H100:3"})
    expect(pool.get_by_label("Capacity")).to_contain_text("3 of 8")
    expect(pool.locator(".gpu").get_by_role("link", name="gpu-holder")).to_have_count(3)
    lab.stop(holder)
    expect(pool.get_by_label("Capacity")).to_contain_text("0 of 8")


def test_it_is_drained_with_a_reason_and_opened(pool: Page, lab: Lab) -> None:
    try:
        pool.get_by_role("button", name="Drain").click()
        dialog = pool.get_by_role("dialog", name="Drain local?")
        dialog.get_by_label("Why").fill("driver update until 18:00")
        dialog.get_by_role("button", name="Drain").click()
        expect(pool.locator(".page-head .badge")).to_have_text("Drained")
        expect(pool.locator(".note")).to_contain_text("driver update until 18:00")
        waiting = lab.submit("waits-for-drivers")
        assert "drained" in lab.job(waiting)["reason"]
        pool.get_by_role("button", name="Open").click()
        pool.get_by_role("dialog").get_by_role("button", name="Open").click()
        expect(pool.locator(".page-head .badge")).to_have_text("Open")
        lab.reach(waiting, "succeeded")
    finally:
        lab.change_pool(drained=False)


def test_its_isolation_is_chosen(pool: Page, lab: Lab) -> None:
    before = lab.pool()["isolation"]
    try:
        pool.get_by_role("button", name="Settings").click()
        dialog = pool.get_by_role("dialog", name="Settings of local")
        dialog.get_by_label("Isolation").select_option("none")
        dialog.get_by_label("CPUs if unspecified").fill("0.5")
        dialog.get_by_role("button", name="Save").click()
        facts = pool.get_by_label("About this pool")
        expect(facts).to_contain_text("0.5 CPU")
        assert lab.pool()["isolation"] == "none"
    finally:
        lab.change_pool(isolation=before, defaults={"cpus": 1})


def test_its_limits_are_set(pool: Page, lab: Lab) -> None:
    before = lab.get(f"/node-pools/{lab.pool()['id']}")["limits"]
    try:
        pool.get_by_role("button", name="Settings").click()
        dialog = pool.get_by_role("dialog", name="Settings of local")
        expect(dialog.get_by_label("Most seconds to stop")).to_have_value("900")
        dialog.get_by_label("Most seconds to stop").fill("120")
        dialog.get_by_label("Bytes of log a job").fill("2097152")
        dialog.get_by_role("button", name="Save").click()
        facts = pool.get_by_label("About this pool")
        expect(facts).to_contain_text("at most 2m")
        expect(facts).to_contain_text("2.0 MiB a job")
    finally:
        lab.change_pool(limits=before)


def test_a_mistake_opens_its_dialog_again(pool: Page, lab: Lab, watch: Watch) -> None:
    watch.expect("status of 422")
    pool.get_by_role("button", name="Settings").click()
    cpus = pool.get_by_label("CPUs if unspecified")
    cpus.fill("9999")
    pool.get_by_role("button", name="Save").click()
    expect(cpus).to_be_visible()
    expect(cpus).to_have_value("9999")
    expect(cpus).to_be_focused()
    expect(pool.locator("#defaults\\.cpus-error")).to_contain_text("CPUs")
    assert axe(pool) == []
    pool.keyboard.press("Escape")
    expect(pool.get_by_role("alert")).to_have_count(0)
    lab.finished("refreshes-the-pool")
    expect(cpus).to_be_hidden()
    pool.get_by_role("button", name="Settings").click()
    expect(cpus).to_have_value("1")

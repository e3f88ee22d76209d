"""What all pages share: the command palette, themes, and the navigation on a phone."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from tests.console import MARKS
from tests.console.conftest import PHONE
from tests.console.lab import Lab
from tests.peers import wait_until
from tests.peers.browser import axe, layout_shift

pytestmark = MARKS

BACKGROUND = "getComputedStyle(document.documentElement).backgroundColor"


def test_the_palette_goes_to_a_page(page: Page) -> None:
    page.goto("/jobs")
    page.keyboard.press("Control+k")
    palette = page.get_by_role("dialog", name="Search and commands")
    expect(palette).to_be_visible()
    expect(page.locator("#palette-input")).to_be_focused()
    assert axe(page) == []
    page.keyboard.type("audit")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("/events$"))
    page.keyboard.press("Control+k")
    expect(palette).to_be_visible()
    page.keyboard.press("Escape")
    expect(palette).to_be_hidden()


def searched(page: Page, text: str) -> Locator:
    """What the palette lists for that text."""
    page.keyboard.press("Control+k")
    page.locator("#palette-input").fill(text)
    return page.locator("#palette").get_by_role("option")


def test_the_palette_finds_a_job_by_name(page: Page, lab: Lab) -> None:
    job_id = lab.finished("found-by-the-palette")
    page.goto("/settings")
    page.keyboard.press("Control+k")
    page.keyboard.type("by-the-palette")
    found = page.get_by_role("option", name="found-by-the-palette")
    expect(found).to_be_visible()
    expect(found).to_have_attribute("aria-selected", "true")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(f"/jobs/{job_id}$"))


@pytest.mark.parametrize(
    ("typed", "address"),
    [
        ("members", "/members$"),
        ("teams", "/teams$"),
        ("sessions", "/settings/sessions$"),
        ("invitations", "/invitations$"),
        ("organization", "/settings/organization$"),
        ("profile", "/settings$"),
        ("api keys", "/api-keys$"),
        ("local", r"/node-pools/pool_\w+$"),
    ],
)
def test_the_palette_finds_every_page_and_pool(page: Page, typed: str, address: str) -> None:
    page.goto("/jobs")
    found = searched(page, typed).filter(has_text=re.compile(f"^{typed}", re.IGNORECASE))
    expect(found.first).to_have_attribute("aria-selected", "true")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(address))


def test_the_palette_finds_a_job_by_its_id(page: Page, lab: Lab) -> None:
    job_id = lab.finished("found-by-its-id")
    page.goto("/settings")
    searched(page, job_id[:24]).filter(has_text="found-by-its-id").click()
    expect(page).to_have_url(re.compile(f"/jobs/{job_id}$"))


def test_the_palette_says_when_it_finds_nothing(page: Page) -> None:
    page.goto("/jobs")
    options = searched(page, "no-such-thing")
    expect(options).to_have_text(["Nothing found"])
    page.locator("#palette-input").fill("q")
    expect(options).to_have_text(["Nothing found; jobs are found by three letters or more"])
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("/jobs$"))


def test_the_palette_signs_out(page: Page, lab: Lab) -> None:
    cookies = [{**lab.cookies()[0], "value": value} for value in lab.server.signed_in().cookies.values()]
    page.context.add_cookies(cookies)  # type: ignore[arg-type]
    page.goto("/jobs")
    expect(searched(page, "sign out")).to_have_count(1)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


def test_a_question_mark_lists_the_shortcuts(page: Page) -> None:
    page.goto("/jobs")
    dialog = page.get_by_role("dialog", name="Keyboard shortcuts")
    page.locator("#jobs-search").press("?")
    expect(dialog).to_be_hidden()
    page.locator("#jobs-search").press("Escape")
    page.keyboard.press("?")
    expect(dialog).to_be_visible()
    assert axe(page) == []
    page.keyboard.press("c")
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(page).to_have_url(re.compile("/jobs$"))


def test_the_menu_lists_the_shortcuts(phone: Page) -> None:
    phone.goto("/settings")
    phone.get_by_role("button", name="Navigation").click()
    phone.locator(".user-menu summary").click()
    assert phone.locator(".user-menu .menu-panel").evaluate("e => e.scrollWidth <= e.clientWidth"), (
        "something is cut off"
    )
    phone.get_by_role("button", name="Keyboard shortcuts").click()
    dialog = phone.get_by_role("dialog", name="Keyboard shortcuts")
    expect(dialog).to_be_in_viewport(ratio=1)
    dialog.get_by_role("button", name="Close").click()
    expect(dialog).to_be_hidden()


def test_a_theme_is_kept_and_never_flashes_the_other(page: Page) -> None:
    page.emulate_media(color_scheme="light")
    page.goto("/settings")
    light = page.evaluate(BACKGROUND)
    page.locator("main").get_by_role("button", name="Dark").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    dark = page.evaluate(BACKGROUND)
    assert dark != light
    # the very first element that is drawn has the theme already
    page.add_init_script(
        "new MutationObserver((_, seen) => document.body && (seen.disconnect(),"
        " window.first = document.documentElement.dataset.theme)).observe(document, {childList: true, subtree: true})"
    )
    page.goto("/jobs")
    assert page.evaluate("window.first") == "dark"
    assert page.evaluate(BACKGROUND) == dark
    page.goto("/settings")
    page.locator("main").get_by_role("button", name="System").click()
    page.reload()
    assert page.evaluate(BACKGROUND) == light


@pytest.fixture
def phone(page: Page) -> Page:
    page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    return page


def test_a_phone_gets_around(phone: Page, lab: Lab) -> None:
    lab.finished("on-the-phone", "echo small screen")
    phone.goto("/jobs?q=on-the-phone")
    phone.get_by_role("button", name="Navigation").click()
    navigation = phone.get_by_role("navigation", name="Main")
    expect(navigation).to_be_visible()
    assert axe(phone) == []
    navigation.get_by_role("link", name="Node pools").click()
    expect(phone.get_by_role("heading", name="Node pools")).to_be_visible()
    phone.go_back()
    phone.get_by_role("link", name="on-the-phone").click()
    expect(phone.locator("[data-log-view]")).to_contain_text("small screen")
    phone.get_by_role("button", name="Search and commands").click()
    expect(phone.locator("#palette-input")).to_be_focused()


@pytest.mark.parametrize(
    "address", ["/api-keys", "/settings/sessions", "/jobs?state=stopped", "/events?action=request"]
)
def test_the_current_tab_is_in_view_on_a_phone(phone: Page, address: str) -> None:
    phone.goto(address)
    for tab in phone.locator(".tab[aria-current]").all():
        expect(tab).to_be_in_viewport(ratio=0.99)
    assert layout_shift(phone) < 0.01
    assert phone.evaluate("[scrollX, scrollY]") == [0, 0]


def test_tabs_stay_where_a_person_scrolled_them(phone: Page, lab: Lab) -> None:
    job_id = lab.submit("scrolled-tabs", "sleep 600")
    phone.goto("/jobs?name=scrolled-tabs")
    expect(phone.locator("#live-state")).to_have_attribute("data-state", "open")
    tabs = phone.get_by_role("navigation", name="States")
    tabs.evaluate("e => { e.scrollLeft = 200 }")
    lab.stop(job_id)
    expect(phone.locator(f"#{job_id} .badge")).to_have_text("Stopped")
    assert tabs.evaluate("e => e.scrollLeft") == 200


def test_a_long_word_stays_within_its_toast(phone: Page, lab: Lab) -> None:
    name = "w" * 80
    team = lab.client.post("/api/v1/teams", json={"name": name}).json()["id"]
    phone.goto(f"/teams/{team}")
    phone.get_by_role("button", name="Delete", exact=True).click()
    phone.get_by_role("dialog").get_by_role("button", name="Delete").click()
    toast = phone.locator(".toast")
    expect(toast).to_contain_text(name)
    expect(toast).to_be_in_viewport(ratio=1)
    toast.get_by_role("button", name="Dismiss").click()
    expect(toast).to_have_count(0)


def test_a_page_is_live_however_late_its_scripts_come(page: Page) -> None:
    late: list[Route] = []

    def hold(route: Route) -> None:
        late.append(route)

    page.route("**/vendor/hx-sse.min.js", hold)
    page.goto("/jobs", wait_until="commit")
    wait_until(lambda: page.evaluate("'htmx' in window") and late, what="htmx to come before its extension", every=0.1)
    page.evaluate("() => new Promise(done => setTimeout(done))")  # whatever waits for its turn has had it
    late[0].continue_()
    expect(page.locator("#live-state")).to_have_attribute("data-state", "open")

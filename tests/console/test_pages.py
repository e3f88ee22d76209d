"""Every page, in both themes, on a desktop and on a phone: it can be used by everybody, and nothing on it moves."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from playwright.sync_api import Browser, Page, Response, expect

from tests.console import MARKS
from tests.console.conftest import DESKTOP, PHONE, as_ada
from tests.console.lab import HELD, Lab
from tests.peers.browser import Watch, axe, layout_shift

pytestmark = MARKS

WIDTHS = {"desktop": DESKTOP, "phone": PHONE}
INLINE = re.compile(r"<style|<script(?![^>]*\bsrc=)|<[^>]*\s(?:style|on[a-z]+)=", re.IGNORECASE)
ADDRESSES: dict[str, Callable[[Lab], str]] = {
    "jobs": lambda lab: "/jobs",
    "jobs none": lambda lab: "/jobs?q=nothing-like-this",
    "job running": lambda lab: f"/jobs/{the(lab, 'running')}",
    "job failed": lambda lab: f"/jobs/{the(lab, 'failed')}",
    "new job": lambda lab: "/jobs/new",
    "new job as yaml": lambda lab: f"/jobs/new?from={the(lab, 'failed')}",
    "node pools": lambda lab: "/node-pools",
    "node pool": lambda lab: f"/node-pools/{lab.pool()['id']}",
    "api keys": lambda lab: "/api-keys",
    "new api key": lambda lab: "/api-keys/new",
    "api key": lambda lab: f"/api-keys/{lab.key()}",
    "audit": lambda lab: "/events",
    "profile": lambda lab: "/settings",
    "sessions": lambda lab: "/settings/sessions",
    "organization": lambda lab: "/settings/organization",
    "organizations": lambda lab: "/organizations",
    "new organization": lambda lab: "/organizations/new",
    "members": lambda lab: "/members",
    "member": lambda lab: f"/members/{lab.member()}",
    "invitations": lambda lab: "/invitations",
    "invite": lambda lab: "/invitations/new",
    "invitation": lambda lab: f"/invitations/{lab.invitation()['id']}",
    "invited": lambda lab: lab.invitation()["link"].removeprefix(lab.server.url),
    "teams": lambda lab: "/teams",
    "team": lambda lab: f"/teams/{lab.team()}",
    "sign in": lambda lab: "/sign-in",
    "dead link": lambda lab: "/sign-in?token=dead",
    "not found": lambda lab: "/jobs/job_00000000000000000000000000",
}


def the(lab: Lab, state: str) -> str:
    """A job in that state."""
    return str(lab.get(f"/jobs?state={state}&limit=1")["items"][0]["id"])


@pytest.fixture(scope="module", autouse=True)
def jobs(lab: Lab) -> Iterator[None]:
    """Jobs in most states, so that pages have something to show."""
    lab.finished("failing", "echo so far so good; echo 'ValueError: no such thing' >&2; exit 3")
    holder = lab.submit("holding-the-gpus", "while true; do echo step; sleep 1; done", resources=HELD)
    lab.reach(holder, "running")
    waiting = lab.submit("waiting-for-gpus", resources=HELD)
    lab.finished("colourful", r"printf '\033[1;31mred\033[0m \033[42mgreen\033[0m \033[2mdim\033[0m\n'")
    yield
    for job_id in (waiting, holder):
        lab.stop(job_id)


@dataclass
class Window:
    page: Page
    watch: Watch


@pytest.fixture(scope="module", params=WIDTHS)
def window(request: pytest.FixtureRequest, browser: Browser, lab: Lab) -> Iterator[Window]:
    """A window of each width for all pages, so that what they share is fetched once."""
    context, watch = browser.new_context(**as_ada(lab, WIDTHS[request.param])), Watch(expected=["status of 404"])
    context.set_default_timeout(30_000)
    watch.attach(context)
    yield Window(context.new_page(), watch)
    context.close()


@pytest.mark.parametrize("name", ADDRESSES)
def test_is_for_everybody_and_stands_still(name: str, window: Window, lab: Lab) -> None:
    page, watch = window.page, window.watch
    watch.problems.clear()
    page.emulate_media(color_scheme="light")
    answer = page.goto(ADDRESSES[name](lab))
    assert answer is not None
    has_nothing_inline(answer)
    expect(page.locator(".htmx-request")).to_have_count(0)  # what is being refreshed is drawn faintly
    assert axe(page) == []
    page.emulate_media(color_scheme="dark")
    assert axe(page, only=("color-contrast",)) == []  # themes differ in their colours alone
    assert layout_shift(page) < 0.01
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    expect(page.locator("h1")).to_have_count(1)
    expect(page).to_have_title(re.compile(r"\S+ · Lattice$"))
    assert watch.unexpected() == []


def has_nothing_inline(answer: Response) -> None:
    assert INLINE.findall(answer.text()) == []
    policy = answer.headers["content-security-policy"]
    assert "unsafe" not in policy and "script-src 'self'" in policy

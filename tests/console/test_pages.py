"""Every page, in both themes, on a desktop and on a phone: it can be used by everybody, and nothing on it moves."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.console import MARKS
from tests.console.lab import HELD, Lab
from tests.peers.browser import Watch, axe, layout_shift

pytestmark = MARKS

WIDTHS = {"desktop": (1280, 800), "phone": (390, 844)}
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
def jobs(lab: Lab) -> None:
    """Jobs in most states, so that pages have something to show."""
    lab.finished("failing", "echo so far so good; echo 'ValueError: no such thing' >&2; exit 3")
    lab.reach(lab.submit("holding-the-gpus", "while true; do echo step; sleep 1; done", resources=HELD), "running")
    lab.submit("waiting-for-gpus", resources=HELD)
    lab.finished("colourful", r"printf '\033[1;31mred\033[0m \033[42mgreen\033[0m \033[2mdim\033[0m\n'")


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", ADDRESSES)
def test_is_for_everybody_and_stands_still(name: str, width: str, page: Page, lab: Lab, watch: Watch) -> None:
    watch.expect("status of 404")
    page.set_viewport_size(dict(zip(("width", "height"), WIDTHS[width], strict=True)))  # type: ignore[arg-type]
    page.emulate_media(color_scheme="light")
    page.goto(ADDRESSES[name](lab))
    assert axe(page) == []
    page.emulate_media(color_scheme="dark")
    assert axe(page, only=("color-contrast",)) == []  # themes differ in their colours alone
    assert layout_shift(page) < 0.01
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    expect(page.locator("h1")).to_have_count(1)
    expect(page).to_have_title(re.compile(r"\S+ · Lattice$"))


@pytest.mark.parametrize("name", ADDRESSES)
def test_has_nothing_inline(name: str, lab: Lab) -> None:
    answer = lab.client.get(ADDRESSES[name](lab))
    assert INLINE.findall(answer.text) == []
    policy = answer.headers["Content-Security-Policy"]
    assert "unsafe" not in policy and "script-src 'self'" in policy

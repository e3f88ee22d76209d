"""A real Chromium, the system's own, and pages that forgive nothing.

A test that uses `page` fails for a console error, an uncaught exception, or a breach of the content security policy
on any page it visited, unless it said beforehand, by `watch.expect`, which one it provokes.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, sync_playwright

from tests.peers import ROOT, unavailable

FLAGS = (
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--no-first-run",
)
NAMES = ("chromium", "chromium-browser", "google-chrome")
VIOLATIONS = (
    "document.addEventListener('securitypolicyviolation', e => cspViolation(e.violatedDirective, e.blockedURI))"
)
SHIFTS = """() => new Promise(done => {
  const shifts = []
  const observer = new PerformanceObserver(list => shifts.push(...list.getEntries()))
  observer.observe({type: 'layout-shift', buffered: true})
  const total = () => [...shifts, ...observer.takeRecords()]
    .filter(shift => !shift.hadRecentInput).reduce((sum, shift) => sum + shift.value, 0)
  requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(() => done(total()), 50)))
})"""


@dataclass
class Watch:
    """What went wrong in a browser context's pages."""

    problems: list[str] = field(default_factory=list)
    expected: list[str] = field(default_factory=list)

    def expect(self, pattern: str) -> None:
        """Let problems that match the regular expression pass, such as `status of 422` from a wrong form."""
        self.expected.append(pattern)

    def unexpected(self) -> list[str]:
        return [p for p in self.problems if not any(re.search(pattern, p) for pattern in self.expected)]

    def attach(self, context: BrowserContext) -> None:
        context.expose_function("cspViolation", lambda *what: self.problems.append(f"CSP violation: {what}"))
        context.add_init_script(VIOLATIONS)
        context.on("console", self._console)
        context.on("weberror", lambda error: self.problems.append(f"uncaught: {error.error}"))

    def _console(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.problems.append(f"console: {message.text} ({message.location.get('url')})")


def axe(page: Page, *, without: tuple[str, ...] = (), only: tuple[str, ...] = ()) -> list[str]:
    """The accessibility mistakes that axe-core finds on the page as it is: a line each with rule, help and elements.

    `only`: just these rules, such as `color-contrast` for a page that has been looked at in another theme.
    """
    script = ROOT / "node_modules/axe-core/axe.min.js"
    if not script.exists():
        unavailable("axe-core is not installed (npm ci)")
    page.evaluate(f"window.axe || {script.read_text()}")
    options: dict[str, Any] = {"resultTypes": ["violations"], "rules": {rule: {"enabled": False} for rule in without}}
    if only:
        options["runOnly"] = list(only)
    found = page.evaluate("options => axe.run(document, options)", options)
    return [_line(violation) for violation in found["violations"]]


def _line(violation: dict[str, Any]) -> str:
    nodes = "; ".join(" ".join(map(str, node["target"])) for node in violation["nodes"][:5])
    return f"{violation['id']}: {violation['help']} ({nodes})"


def layout_shift(page: Page) -> float:
    """The page's cumulative layout shift so far, without what followed a person's own input; 0 is still.

    What stands on the page when this is called has been drawn when it returns.
    """
    return float(page.evaluate(SHIFTS))


@contextmanager
def chromium() -> Iterator[Browser]:
    """The system's Chromium. Playwright keeps an event loop running in this thread as long as it is open."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        unavailable("Chromium is not installed")
    flags = [*FLAGS, *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=found, args=flags)
        yield launched
        launched.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A Chromium for the module."""
    with chromium() as launched:
        yield launched


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture
def context_options() -> dict[str, Any]:
    """Options of the test's browser context (a phone's size, a colour scheme); override it in a module or class."""
    return {"viewport": {"width": 1280, "height": 800}, "reduced_motion": "reduce"}


@pytest.fixture
def context(browser: Browser, watch: Watch, context_options: dict[str, Any]) -> Iterator[BrowserContext]:
    """A fresh profile: no cookies, nothing stored."""
    opened = browser.new_context(**context_options)
    opened.set_default_timeout(30_000)
    watch.attach(opened)
    yield opened
    opened.close()
    assert watch.unexpected() == []


@pytest.fixture
def page(context: BrowserContext) -> Page:
    return context.new_page()

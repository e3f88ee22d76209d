"""The strict page notices what it promises to notice."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, Route

from tests.peers.browser import Watch, axe, layout_shift

pytestmark = pytest.mark.browser

STRICT = {"Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'"}
GOOD = "<!doctype html><html lang='en'><title>Good</title><main><h1>Good</h1><p>Day</p></main>"


def show(page: Page, body: str, status: int = 200) -> None:
    """Answer the address from here, under the content security policy that the console has."""

    def answer(route: Route) -> None:
        script = "throw new Error('broken')" if route.request.url.endswith(".js") else None
        kind = "text/javascript" if script else "text/html"
        route.fulfill(status=status, body=script or body, content_type=kind, headers=STRICT)

    page.route("**/*", answer)
    page.goto("http://console.test/")


def test_a_good_page_has_nothing_to_say(page: Page, watch: Watch) -> None:
    show(page, GOOD)
    assert axe(page) == []
    assert layout_shift(page) == 0
    assert watch.problems == []


def test_an_inline_script_is_a_violation(page: Page, watch: Watch) -> None:
    watch.expect("CSP violation|Content Security Policy")
    show(page, GOOD + "<script>document.title = 'changed'</script>")
    assert page.title() == "Good"
    assert any("script-src" in problem for problem in watch.problems)
    assert watch.unexpected() == []


def test_an_uncaught_error_is_noticed(page: Page, watch: Watch) -> None:
    watch.expect("uncaught: .*broken")
    show(page, GOOD + "<script src='/broken.js'></script>")
    assert any("broken" in problem for problem in watch.problems)


def test_an_error_answer_is_noticed_unless_expected(page: Page, watch: Watch) -> None:
    show(page, GOOD, status=422)
    assert any("422" in problem for problem in watch.unexpected())
    watch.expect("status of 422")
    assert watch.unexpected() == []


def test_axe_names_what_is_wrong(page: Page, watch: Watch) -> None:
    watch.expect("img-src")
    show(page, "<!doctype html><title>No language</title><img src='/x.png'>")
    assert any(line.startswith("html-has-lang") for line in axe(page))
    assert any(line.startswith("image-alt") for line in axe(page))


def test_a_shift_is_measured(page: Page) -> None:
    show(page, GOOD)
    assert layout_shift(page) == 0  # drawn once: what has never been drawn can't move
    page.evaluate("() => { document.querySelector('main').style.marginTop = '200px' }")
    assert layout_shift(page) > 0

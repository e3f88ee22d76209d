"""The log of a job: colours, search, a million lines, a middle that was cut out, and a server that dies meanwhile."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, Response, expect

from tests.console import MARKS
from tests.console.lab import Lab
from tests.peers.browser import Watch
from tests.peers.server import Server

pytestmark = MARKS

MILLION = 1_000_000
MOST_ROWS = 400  # that are drawn at once
MOST_BYTES = 5 << 20  # that are held in memory

# every line of the log in order, gathered by scrolling through it as a person would
READ_ALL = """async () => {
  const box = document.querySelector('[data-log-view]'), found = new Map()
  const frame = () => new Promise(requestAnimationFrame)
  for (box.scrollTop = 0; ; box.scrollTop += box.clientHeight) {
    await frame(); await frame()
    for (const row of box.querySelectorAll('.log-row')) found.set(Number(row.dataset.offset), row.textContent.trimEnd())
    if (box.scrollTop + box.clientHeight >= box.scrollHeight - 1) break
  }
  return [...found].sort(([a], [b]) => a - b).map(([, text]) => text)
}"""

HELD = "box.closest('[data-log]').viewer.window.view"  # where in the box the lines in memory stand


def view(page: Page) -> Locator:
    return page.locator("[data-log-view]")


def row(page: Page, text: str) -> Locator:
    return page.locator(".log-row").get_by_text(text, exact=True)


def open_log(page: Page, job_id: str) -> Locator:
    page.goto(f"/jobs/{job_id}")
    expect(page.locator("[data-log-state]")).to_contain_text("Complete")
    return view(page)


def press(page: Page, what: str) -> None:
    page.locator(f"[data-log-do={what}]").click()


def test_colours_are_shown_and_nothing_else_of_a_terminal(page: Page, lab: Lab) -> None:
    said = (
        r"printf '\033[31mred\033[0m \033[1;92mbold green\033[0m \033[48;5;21mon blue\033[0m\033[2K\033]0;title\007\n'"
    )
    log = open_log(page, lab.finished("coloured", said))
    expect(log.locator(".fg-1")).to_have_text("red")
    expect(log.locator(".sgr-bold.fg-2")).to_have_text("bold green")
    expect(log.locator(".bg-4")).to_have_text("on blue")
    expect(log.locator(".log-row").first).to_have_text("red bold green on blue")


def test_it_follows_what_is_written(page: Page, lab: Lab) -> None:
    job_id = lab.submit("followed", "for i in $(seq 100000); do echo line $i; sleep 0.02; done")
    lab.reach(job_id, "running")
    streams: list[str] = []

    def note(answer: Response) -> None:
        if "event-stream" in answer.headers.get("content-type", ""):
            streams.append(answer.url)

    page.on("response", note)
    page.goto(f"/jobs/{job_id}")
    expect(page.locator("[data-log-state]")).to_contain_text("Live")
    expect(row(page, "line 60")).to_be_visible()
    press(page, "top")
    expect(page.locator("[data-log-do=follow]")).to_have_attribute("aria-pressed", "false")
    expect(row(page, "line 1")).to_be_in_viewport()
    press(page, "follow")
    expect(page.locator("[data-log-do=follow]")).to_have_attribute("aria-pressed", "true")
    expect(row(page, "line 1")).not_to_be_visible()
    lab.stop(job_id)
    expect(page.locator("[data-log-state]")).to_contain_text("Complete")
    assert len(streams) == 1, streams


def test_search_walks_from_match_to_match(page: Page, lab: Lab) -> None:
    open_log(page, lab.finished("searched", "seq -f 'step %.0f' 3000"))
    page.keyboard.press("/")
    page.keyboard.type("step 77")
    found = page.locator(".log-row-found")
    expect(page.locator("[data-log-found]")).to_have_text("1 of 11")
    expect(found).to_have_text("step 77")
    expect(found.locator("mark")).to_have_text("step 77")
    page.keyboard.press("Enter")
    expect(found).to_have_text("step 770")
    expect(found).to_be_in_viewport()
    page.keyboard.press("Shift+Enter")
    expect(found).to_have_text("step 77")
    page.keyboard.press("Shift+Enter")
    expect(found).to_have_text("step 779")
    page.locator("[data-log-query]").fill("nowhere to be found")
    expect(page.locator("[data-log-found]")).to_have_text("None")
    expect(page.locator("[data-log-view] mark")).to_have_count(0)


def test_matches_before_the_place_are_counted_too(page: Page, lab: Lab) -> None:
    open_log(page, lab.finished("counted", "seq -f 'step %.0f' 3000"))
    expect(row(page, "step 3000")).to_be_in_viewport()
    page.locator("[data-log-query]").fill("step 299")
    expect(page.locator(".log-row-found")).to_have_text(re.compile(r"step 299\d"))
    expect(page.locator("[data-log-found]")).to_have_text(re.compile(r"^\d+ of 11$"))


def test_a_match_near_the_end_stays_in_view(page: Page, lab: Lab) -> None:
    job_id = lab.submit("matched", "echo the needle; for i in $(seq 100000); do echo line $i; sleep 0.05; done")
    lab.reach(job_id, "running")
    page.goto(f"/jobs/{job_id}")
    expect(row(page, "line 5")).to_be_attached()
    page.locator("[data-log-query]").fill("needle")
    expect(page.locator(".log-row-found")).to_be_in_viewport()
    page.wait_for_function("() => document.querySelector('[data-log]').viewer.window.lines.count > 80")
    expect(page.locator(".log-row-found")).to_be_in_viewport()
    expect(page.locator("[data-log-do=follow]")).to_have_attribute("aria-pressed", "false")
    press(page, "follow")
    expect(page.locator(".log-row-found")).not_to_be_in_viewport()
    lab.stop(job_id)


def test_it_jumps_to_the_error(page: Page, lab: Lab) -> None:
    said = "seq 2000; echo 'ValueError: no such optimizer'; seq 2000; exit 1"
    open_log(page, lab.finished("in-error", said))
    page.keyboard.press("e")
    expect(page.locator(".log-row-found")).to_have_text("ValueError: no such optimizer")
    expect(page.locator(".log-row-found")).to_be_in_viewport()


def test_long_lines_wrap_when_asked_to(page: Page, lab: Lab) -> None:
    log = open_log(page, lab.finished("wide", "head -c 3000 /dev/zero | tr '\\0' x; echo; echo end"))
    assert log.evaluate("box => box.scrollWidth > box.clientWidth")
    press(page, "wrap")
    expect(page.locator("[data-log-do=wrap]")).to_have_attribute("aria-pressed", "true")
    assert log.evaluate("box => box.scrollWidth <= box.clientWidth")
    last = page.locator(".log-row").last
    assert last.evaluate("e => e.offsetTop + e.offsetHeight >= 0")
    expect(last).to_have_text("end")
    first, end = (page.locator(".log-row").nth(n).bounding_box() for n in (0, 1))
    assert first and end and first["y"] + first["height"] <= end["y"] + 1, "wrapped lines lie on one another"


def test_it_is_downloaded_whole(page: Page, lab: Lab, tmp_path: Path) -> None:
    open_log(page, lab.finished("downloaded", f"seq -f 'a line of some length, number %.0f' {MILLION // 4}"))
    with page.expect_download() as started:
        page.get_by_label("Download the log").click()
    started.value.save_as(tmp_path / "log")
    assert started.value.suggested_filename == "downloaded.log"
    lines = (tmp_path / "log").read_text().splitlines()
    assert len(lines) == MILLION // 4 and lines[-1].endswith(f"number {MILLION // 4}")


def test_a_million_lines(page: Page, lab: Lab) -> None:
    job_id = lab.finished("million", f"seq -f 'step %.0f of many' {MILLION}")
    log = open_log(page, job_id)
    expect(row(page, f"step {MILLION} of many")).to_be_in_viewport()
    press(page, "top")
    expect(row(page, "step 1 of many")).to_be_in_viewport()
    log.evaluate("box => { box.scrollTop = (box.scrollHeight - box.clientHeight) / 2 }")
    page.wait_for_function(
        """() => [...document.querySelectorAll('.log-row')].some(row => {
          const number = Number(row.textContent.split(' ')[1])
          return number > 350000 && number < 650000 && row.getBoundingClientRect().top > 0
        })"""
    )
    page.locator("[data-log-query]").fill("step 777777 of")
    expect(page.locator(".log-row-found")).to_have_text("step 777777 of many")
    press(page, "bottom")
    expect(row(page, f"step {MILLION} of many")).to_be_in_viewport()
    assert page.locator(".log-row").count() < MOST_ROWS
    held = page.locator("[data-log]").evaluate("log => log.viewer.window.lines.bytes")
    assert held < MOST_BYTES


@pytest.fixture
def small_logs(lab: Lab) -> None:
    lab.change_pool(limits={"log_limit": 1 << 20})


def test_a_middle_that_was_cut_out_is_told(page: Page, lab: Lab, small_logs: None) -> None:
    try:
        job_id = lab.finished("cut", "seq -f 'number %.0f of very many' 200000")
    finally:
        lab.change_pool(limits={"log_limit": 1 << 30})
    log = open_log(page, job_id)
    expect(row(page, "number 200000 of very many")).to_be_in_viewport()
    gap = page.locator(".log-gap")
    log.evaluate(f"box => {{ box.scrollTop = {HELD}.top }}")
    expect(gap).to_be_in_viewport()
    told = gap.inner_text().strip()
    assert "MiB of the log were cut out here" in told
    open_log(page, job_id)
    press(page, "top")
    expect(row(page, "number 1 of very many")).to_be_in_viewport()
    log.evaluate(f"box => {{ const held = {HELD}; box.scrollTop = held.top + held.height - box.clientHeight }}")
    expect(gap).to_have_text(told)


def test_a_server_that_dies_loses_and_doubles_nothing(server: Server, page: Page, watch: Watch) -> None:
    watch.expect("ERR_|Failed to load resource|network error|Failed to fetch")
    lab = Lab(server, server.signed_in("Ada"))
    page.context.add_cookies(lab.cookies())  # type: ignore[arg-type]
    job_id = lab.submit("outlives", "for i in $(seq 400); do echo line $i; sleep 0.01; done; echo over")
    page.goto(f"{server.url}/jobs/{job_id}")
    expect(row(page, "line 20")).to_be_attached()
    server.kill()
    expect(page.locator("[data-log-state]")).to_contain_text("Reconnecting")
    server.start()
    expect(row(page, "over")).to_be_attached()
    expect(page.locator("[data-log-state]")).to_contain_text("Complete")
    read = page.evaluate(READ_ALL)
    assert read == [*(f"line {number}" for number in range(1, 401)), "over"]


def test_a_proxy_that_answers_for_the_server_is_outwaited(page: Page, lab: Lab, watch: Watch) -> None:
    watch.expect("status of 503")
    job_id = lab.submit("behind-a-proxy", "while :; do echo tick; sleep 0.1; done")
    lab.reach(job_id, "running")
    page.route("**/live", lambda route: route.fulfill(status=503, body="away"), times=1)
    page.goto(f"/jobs/{job_id}")
    expect(page.locator("[data-log-state]")).to_contain_text("Live")
    lab.stop(job_id)

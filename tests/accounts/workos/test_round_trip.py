"""To WorkOS and back: who gets in, and every way that it can fail."""

from __future__ import annotations

import httpx2
import pytest
from starlette.testclient import TestClient

from tests.accounts.workos.conftest import COOKIE, LOGIN, Door, problem_of
from tests.peers.workos import ADA, BOB, EVE, UNA

ELSEWHERE = ["//evil.test", "/\\evil.test", "https://evil.test", "/%0d%0aX: y", "\\/evil.test", "javascript:alert(1)"]


def test_two_people_sign_in_each_as_themselves(shared_door: Door) -> None:
    ada, bob = shared_door.me(shared_door.sign_in(ADA)), shared_door.me(shared_door.sign_in(BOB))
    assert ada and bob
    assert (ada["email"], ada["role"], ada["name"]) == (ADA, "admin", "Ada")
    assert (bob["email"], bob["role"]) == (BOB, "member")
    assert ada["organization"] == bob["organization"] and ada["organization"]["name"] == "Lab"


def test_the_first_organization_takes_over_what_the_server_began_with(shared_door: Door) -> None:
    pools = shared_door.sign_in().get("/api/v1/node-pools").json()["items"]
    assert [pool["name"] for pool in pools] == ["local"]


def test_no_link_is_printed_but_one_can_be_made_for_recovery(door: Door) -> None:
    assert "sign-in?token" not in door.server.output
    door.sign_in()
    door.workos.stop()
    assert door.me(door.server.signed_in()) is not None


def test_one_goes_on_to_where_one_wanted(shared_door: Door) -> None:
    browser = shared_door.browser()
    came_back = browser.get(shared_door.callback(browser, next="/jobs?state=running"))
    assert came_back.headers["Location"] == "/jobs?state=running"


@pytest.mark.parametrize("elsewhere", ELSEWHERE)
def test_it_leads_to_our_own_paths_only(shared_door: Door, elsewhere: str) -> None:
    browser = shared_door.browser()
    location = browser.get(shared_door.callback(browser, next=elsewhere)).headers["Location"]
    assert location == "/" or (location.startswith("/%0d%0a") and "\n" not in location)


def test_the_page_leads_to_the_provider(shared_door: Door) -> None:
    page = shared_door.browser().get("/sign-in?next=/jobs").text
    assert f"{LOGIN}?next=/jobs" in page and "WorkOS" in page


def test_a_denied_sign_in_says_so(shared_door: Door) -> None:
    browser = shared_door.browser()
    back = shared_door.callback(browser, "nobody@lab.test")
    assert "error=" in back
    came_back = browser.get(back)
    assert problem_of(came_back) == "denied"
    assert "did not let you in" in browser.get(came_back.headers["Location"]).text
    assert COOKIE not in browser.cookies


def test_a_callback_works_once(shared_door: Door) -> None:
    browser = shared_door.browser()
    back = shared_door.callback(browser)
    trip = browser.cookies["lattice_sign_in"]
    assert problem_of(browser.get(back)) == "none"
    assert problem_of(browser.get(back)) == "expired"
    again = shared_door.browser()
    again.cookies.set("lattice_sign_in", trip, domain="localhost.local", path="/api/v1/auth")
    assert problem_of(again.get(back)) == "expired"  # the code is used up, too
    assert shared_door.me(again) is None


def test_a_callback_works_in_the_browser_that_began_it_alone(shared_door: Door) -> None:
    attacker, victim = shared_door.browser(), shared_door.browser()
    theirs = shared_door.callback(attacker, BOB)
    assert problem_of(victim.get(theirs)) == "expired"
    shared_door.callback(victim)
    assert problem_of(victim.get(theirs)) == "mismatched"
    assert shared_door.me(victim) is None


def test_a_swapped_state_is_refused(shared_door: Door) -> None:
    browser = shared_door.browser()
    back = httpx2.URL(shared_door.callback(browser))
    assert problem_of(browser.get(str(back.copy_set_param("state", "x" * 43)))) == "mismatched"
    assert shared_door.me(browser) is None


def test_a_bent_cookie_is_refused(shared_door: Door) -> None:
    browser = shared_door.browser()
    back = shared_door.callback(browser)
    value = browser.cookies["lattice_sign_in"]
    browser.cookies.clear()
    browser.cookies.set("lattice_sign_in", "A" + value[1:], domain="localhost.local", path="/api/v1/auth")
    assert problem_of(browser.get(back)) == "expired"


def test_a_bent_session_cookie_is_nobody(shared_door: Door) -> None:
    browser = shared_door.sign_in()
    value = browser.cookies[COOKIE]
    browser.cookies.clear()
    browser.cookies.set(COOKIE, value[:-2] + ("AA" if value[-2:] != "AA" else "BB"), domain="localhost.local")
    assert browser.get("/api/v1/auth/me").status_code == 401


def test_somebody_without_an_organization_is_told_and_can_try_as_another(shared_door: Door) -> None:
    browser = shared_door.browser()
    came_back = browser.get(shared_door.callback(browser, EVE))
    assert problem_of(came_back) == "no-organization"
    assert "Ask an admin" in browser.get(came_back.headers["Location"]).text
    shared_door.wait(lambda: not shared_door.workos.sessions(EVE), "the end of Eve's session at WorkOS")


def test_an_address_that_is_not_verified_gets_nobody_in(shared_door: Door) -> None:
    shared_door.workos.member(shared_door.lab, UNA)
    browser = shared_door.browser()
    assert problem_of(browser.get(shared_door.callback(browser, UNA))) == "unverified"


def test_a_session_that_a_browser_brought_along_is_never_taken_over(shared_door: Door) -> None:
    browser = shared_door.sign_in(BOB)
    planted = browser.cookies[COOKIE]
    browser.get(shared_door.callback(browser, ADA))
    assert browser.cookies[COOKIE] != planted
    attacker = shared_door.browser()
    attacker.cookies.set(COOKIE, planted, domain="localhost.local")
    assert shared_door.me(attacker) is None


def test_with_local_sign_in_the_callback_leads_to_the_page_of_links(anonymous: TestClient) -> None:
    assert anonymous.get("/api/v1/auth/callback?code=x&state=y").headers["Location"] == "/sign-in"
    assert anonymous.get("/api/v1/auth/login?next=/jobs").headers["Location"] == "/sign-in?next=%2Fjobs"

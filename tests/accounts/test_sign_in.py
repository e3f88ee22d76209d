"""Local sign-in: a one-time link, a name, a session that can be ended."""

from __future__ import annotations

import html
import re
from datetime import timedelta

import pytest
from starlette.testclient import TestClient

from app.accounts import sign_in
from app.db import utcnow
from app.web.action import Role
from tests.accounts.people import create_organization, switch
from tests.conftest import HOME, SAME_ORIGIN, House


def link_token(house: House, *, minutes_ago: int = 0) -> str:
    with house.site.db.write() as db:
        made_at = utcnow() - timedelta(minutes=minutes_ago)
        return sign_in.new_link(db, user=house.admin_user, base_url=HOME, now=made_at).partition("token=")[2]


def enter(client: TestClient, token: str, **fields: str) -> int:
    return client.post("/sign-in", data={"token": token, "name": "Ada", **fields}, headers=SAME_ORIGIN).status_code


@pytest.mark.database
def test_the_link_signs_in_and_asks_for_a_name(house: House, anonymous: TestClient) -> None:
    token = link_token(house)
    assert "name" in anonymous.get("/sign-in", params={"token": token}).text
    assert enter(anonymous, token) == 303
    assert anonymous.get("/api/v1/auth/me").json()["name"] == "Ada"


def test_the_trail_says_which_browser_signed_in_and_out(house: House, anonymous: TestClient) -> None:
    reader = house.admin()
    anonymous.headers["User-Agent"] = "Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101 Firefox/145.0"
    assert enter(anonymous, link_token(house)) == 303
    anonymous.post("/api/v1/auth/logout", headers=SAME_ORIGIN)
    trail = reader.get("/api/v1/events", params={"action": "session"}).json()["items"]
    assert [(e["action"], e["subject_name"]) for e in trail[:2]] == [
        ("session.ended", "Firefox on Linux"),
        ("session.began", "Firefox on Linux"),
    ]


def test_a_link_works_once(house: House, anonymous: TestClient) -> None:
    token = link_token(house)
    assert enter(anonymous, token) == 303
    assert enter(house.anonymous(), token) == 410


def test_looking_at_the_link_does_not_spend_it(house: House, anonymous: TestClient) -> None:
    token = link_token(house)
    for _ in range(3):
        assert anonymous.get("/sign-in", params={"token": token}).status_code == 200
    assert enter(anonymous, token) == 303


def test_a_link_lives_fifteen_minutes(house: House, anonymous: TestClient) -> None:
    assert enter(anonymous, link_token(house, minutes_ago=16)) == 410
    assert enter(anonymous, link_token(house, minutes_ago=14)) == 303


@pytest.mark.parametrize("name", ["", "   ", "x" * 101])
def test_a_wrong_name_keeps_the_form_and_the_link(house: House, anonymous: TestClient, name: str) -> None:
    form = anonymous.get("/sign-in", params={"token": link_token(house), "next": "/jobs?q=a&state=failed"}).text
    action = html.unescape(form.partition('action="')[2].partition('"')[0])
    fields = dict(re.findall(r'name="(token|next)"\s+value="([^"]+)"', form)) | {"name": name}
    answer = anonymous.post(action, data=fields, headers=SAME_ORIGIN)
    assert answer.status_code == 422 and fields["token"] in answer.text and 'id="name-error"' in answer.text


def test_a_nameless_person_has_to_give_a_name(house: House, anonymous: TestClient) -> None:
    token = link_token(house)
    assert enter(anonymous, token, name="") == 422
    assert enter(anonymous, token) == 303


@pytest.mark.parametrize("elsewhere", ["//evil.test", "/\\evil.test", "https://evil.test", "\\/evil.test", "/\n/evil"])
def test_sign_in_leads_to_our_own_paths_only(house: House, anonymous: TestClient, elsewhere: str) -> None:
    answer = anonymous.post(
        "/sign-in", data={"token": link_token(house), "name": "Ada", "next": elsewhere}, headers=SAME_ORIGIN
    )
    assert answer.headers["Location"] == "/"


def test_sign_in_goes_on_where_one_wanted_to_go(house: House, anonymous: TestClient) -> None:
    answer = anonymous.get("/jobs?state=running")
    assert answer.headers["Location"] == "/sign-in?next=%2Fjobs%3Fstate%3Drunning"
    answer = anonymous.post(
        "/sign-in", data={"token": link_token(house), "name": "Ada", "next": "/jobs?state=running"}, headers=SAME_ORIGIN
    )
    assert answer.headers["Location"] == "/jobs?state=running"


def test_signing_out_ends_the_session_here(house: House, admin: TestClient) -> None:
    cookie = admin.cookies["lattice_session"]
    assert admin.post("/api/v1/auth/logout").headers["Location"] == "/sign-in"
    thief = house.anonymous()
    thief.cookies.set("lattice_session", cookie)
    answer = thief.get("/api/v1/auth/me")
    assert answer.status_code == 401 and "lattice_session=" in answer.headers["Set-Cookie"]


def test_signing_out_again_leads_to_sign_in_too(house: House, admin: TestClient) -> None:
    other = house.anonymous()
    other.cookies.set("lattice_session", admin.cookies["lattice_session"])
    admin.post("/api/v1/auth/logout")
    for again in (admin, other):
        answer = again.post("/api/v1/auth/logout", headers=SAME_ORIGIN)
        assert (answer.status_code, answer.headers["Location"]) == (303, "/sign-in")


def test_another_site_signs_nobody_out(anonymous: TestClient) -> None:
    answer = anonymous.post("/api/v1/auth/logout", headers={"Sec-Fetch-Site": "cross-site"})
    assert answer.status_code == 401 and "Set-Cookie" not in answer.headers


def test_signing_in_anew_ends_the_session_that_the_browser_had(house: House, admin: TestClient) -> None:
    before = admin.cookies["lattice_session"]
    assert admin.post("/sign-in", data={"token": link_token(house)}, headers=SAME_ORIGIN).status_code == 303
    other = house.anonymous()
    other.cookies.set("lattice_session", before)
    assert other.get("/api/v1/auth/me").status_code == 401
    assert admin.get("/api/v1/auth/me").status_code == 200


def test_a_link_that_is_made_is_in_the_trail(house: House, admin: TestClient) -> None:
    link_token(house)
    event = admin.get("/api/v1/events", params={"action": "sign_in_link"}).json()["items"][0]
    assert (event["action"], event["subject_id"]) == ("sign_in_link.made", house.admin_user.id)


def test_a_bent_cookie_is_nobody_and_is_cleared(anonymous: TestClient) -> None:
    anonymous.cookies.set("lattice_session", "ses_bent.signature")
    answer = anonymous.get("/api/v1/auth/allowed-scopes")
    assert answer.status_code == 200 and 'lattice_session=""' in answer.headers["Set-Cookie"]


def test_a_session_can_be_ended_from_another_browser(house: House, admin: TestClient) -> None:
    other = house.admin()
    mine = next(s for s in other.get("/api/v1/settings/sessions").json()["items"] if s["current"])
    assert admin.delete(f"/api/v1/settings/sessions/{mine['id']}").status_code == 204
    assert other.get("/api/v1/auth/me").status_code == 401


def test_a_session_is_ended_wherever_it_is_but_a_key_sees_its_own_organization(house: House, admin: TestClient) -> None:
    other = house.admin()
    switch(other, create_organization(other, "Other"))
    away = next(s["id"] for s in other.get("/api/v1/settings/sessions").json()["items"] if s["current"])
    key = house.key("admin")
    assert away not in [s["id"] for s in key.get("/api/v1/settings/sessions").json()["items"]]
    assert key.delete(f"/api/v1/settings/sessions/{away}").status_code == 404
    assert house.member(role=Role.ADMIN).delete(f"/api/v1/settings/sessions/{away}").status_code == 404
    assert admin.delete(f"/api/v1/settings/sessions/{away}").status_code == 204


def test_the_cookie_is_kept_from_scripts_and_other_sites(house: House, anonymous: TestClient) -> None:
    answer = anonymous.post("/sign-in", data={"token": link_token(house), "name": "Ada"}, headers=SAME_ORIGIN)
    cookie = answer.headers["Set-Cookie"].lower()
    assert "httponly" in cookie and "samesite=lax" in cookie and "secure" not in cookie


def test_htmx_is_sent_to_sign_in_too(anonymous: TestClient) -> None:
    answer = anonymous.get("/jobs", headers={"HX-Request": "true"})
    assert answer.status_code == 204 and answer.headers["HX-Redirect"] == "/sign-in?next=%2Fjobs"


@pytest.mark.parametrize(
    ("page", "next_page"),
    [
        ("http://testserver/jobs/new?from=job_1#x", "?next=%2Fjobs%2Fnew%3Ffrom%3Djob_1"), ("", ""), ("nonsense", ""),
        ("http://testserver", ""), ("http://x//evil.example/", ""), ("http://[/a\\b", ""),
    ],
)  # fmt: skip
def test_a_write_of_nobody_comes_back_to_the_page_it_was_made_from(
    anonymous: TestClient, page: str, next_page: str
) -> None:
    headers = {"HX-Request": "true", "HX-Current-URL": page, "Sec-Fetch-Site": "same-origin"}
    answer = anonymous.post("/jobs", data={"run": "true"}, headers=headers)
    assert answer.status_code == 204 and answer.headers["HX-Redirect"] == f"/sign-in{next_page}"


def test_renaming_oneself(admin: TestClient) -> None:
    assert admin.patch("/api/v1/settings/profile", json={"name": "Grace"}).json()["name"] == "Grace"
    assert admin.get("/api/v1/auth/me").json()["name"] == "Grace"


def test_only_an_admin_renames_the_organization(admin: TestClient, member: TestClient) -> None:
    assert member.patch("/api/v1/settings/organization", json={"name": "Mine"}).status_code == 403
    assert admin.patch("/api/v1/settings/organization", json={"name": "Lab"}).json()["name"] == "Lab"


def test_sign_in_leads_to_a_path_with_any_letters(house: House, anonymous: TestClient) -> None:
    fields = {"token": link_token(house), "name": "Ada", "next": "/jobs?q=日本&state=a%20b"}
    answer = anonymous.post("/sign-in", data=fields, headers=SAME_ORIGIN)
    assert answer.status_code == 303 and answer.headers["Location"] == "/jobs?q=%E6%97%A5%E6%9C%AC&state=a%20b"


@pytest.mark.database
def test_a_session_tells_where_it_was_last_used(house: House, admin: TestClient) -> None:
    elsewhere = TestClient(house.app, base_url=HOME, client=("203.0.113.7", 1), cookies=dict(admin.cookies))
    house.clients.append(elsewhere)
    assert elsewhere.get("/api/v1/auth/me").status_code == 200
    house.app.state.touches.write()
    session = next(s for s in elsewhere.get("/api/v1/settings/sessions").json()["items"] if s["current"])
    assert (session["ip"], session["last_seen_ip"]) == ("testclient", "203.0.113.7")
    assert "203.0.113.7" in elsewhere.get("/settings/sessions").text


def test_a_session_that_was_not_used_yet_was_seen_where_it_began(house: House, admin: TestClient) -> None:
    session = admin.get("/api/v1/settings/sessions").json()["items"][0]
    assert session["ip"] == session["last_seen_ip"] == "testclient"

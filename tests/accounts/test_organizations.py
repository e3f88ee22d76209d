"""Organizations: made, switched between, and never told of to whom they don't belong."""

from __future__ import annotations

import pytest
from starlette.testclient import TestClient

from tests.accounts.people import API, actions_of, create_organization, me, switch
from tests.conftest import House


@pytest.mark.database
def test_the_maker_is_the_admin(member: TestClient) -> None:
    made = create_organization(member, "Trap door")
    assert me(member)["organization"]["name"] == "Home"
    switch(member, made)
    assert me(member)["organization"] == {"id": made, "name": "Trap door"} and me(member)["role"] == "admin"
    assert "organization.created" in actions_of(member, made)
    listed = member.get(f"{API}/organizations").json()["items"]
    assert [(o["name"], o["current"], o["role"]) for o in listed] == [
        ("Home", False, "member"),
        ("Trap door", True, "admin"),
    ]


def test_nothing_of_one_is_seen_in_the_other(member: TestClient) -> None:
    job = member.post(f"{API}/jobs", json={"run": "true"}).json()["id"]
    switch(member, create_organization(member, "Other"))
    assert member.get(f"{API}/jobs/{job}").status_code == 404
    assert member.get(f"{API}/jobs").json()["items"] == []


def test_making_one_in_the_browser_goes_there(admin: TestClient) -> None:
    answer = admin.post("/organizations", data={"name": "Second lab"})
    assert answer.status_code == 303 and answer.headers["Location"] == "/members"
    assert me(admin)["organization"]["name"] == "Second lab"
    assert admin.post("/organizations", data={"name": " "}).status_code == 422


def test_one_cannot_switch_to_where_one_does_not_belong(member: TestClient, house: House) -> None:
    other = house.organization("Elsewhere")
    assert member.post(f"{API}/organizations/{other.id}/switch").status_code == 404
    assert member.get(f"{API}/organizations/{other.id}").status_code == 404


def test_a_key_stays_where_it_was_made(house: House, admin: TestClient) -> None:
    made = create_organization(admin, "Other")
    key = house.key("admin")
    assert key.post(f"{API}/organizations/{made}/switch").status_code == 404
    assert [o["name"] for o in key.get(f"{API}/organizations").json()["items"]] == ["Home"]


def test_a_page_of_the_other_one_offers_the_switch(member: TestClient) -> None:
    job = member.post(f"{API}/jobs", json={"run": "true"}).json()["id"]
    home = me(member)["organization"]["id"]
    switch(member, create_organization(member, "Other"))
    page = member.get(f"/jobs/{job}")
    assert page.status_code == 404 and "where you belong too" in page.text
    assert f"/organizations/{home}/switch?next=/jobs/{job}" in page.text
    answer = member.post(f"/organizations/{home}/switch", params={"next": f"/jobs/{job}"})
    assert answer.headers["Location"] == f"/jobs/{job}"
    assert member.get(f"/jobs/{job}").status_code == 200


def test_a_stranger_is_offered_nothing(house: House, member: TestClient) -> None:
    job = member.post(f"{API}/jobs", json={"run": "true"}).json()["id"]
    stranger = house.sign_in(house.person("mallory@else.test", organization=house.organization("Elsewhere")))
    page = stranger.get(f"/jobs/{job}")
    assert page.status_code == 404 and "where you belong too" not in page.text and "Home" not in page.text


def test_what_is_private_there_is_not_offered(house: House, admin: TestClient, member: TestClient) -> None:
    job = admin.post(f"{API}/jobs", json={"run": "true", "visibility": "private"}).json()["id"]
    switch(member, create_organization(member, "Other"))
    assert "where you belong too" not in member.get(f"/jobs/{job}").text


@pytest.mark.parametrize("elsewhere", ["//evil.test", "/\\evil.test", "https://evil.test"])
def test_switching_leads_to_our_own_paths_only(member: TestClient, elsewhere: str) -> None:
    home = me(member)["organization"]["id"]
    answer = member.post(f"/organizations/{home}/switch", params={"next": elsewhere})
    assert answer.headers["Location"] == "/"


def test_a_stale_tab_cannot_write_into_another_organization(admin: TestClient) -> None:
    home = me(admin)["organization"]["id"]
    switch(admin, create_organization(admin, "Other"))
    for path in ("/teams", "/api-keys", "/invitations", "/jobs"):
        answer = admin.post(path, data={"_organization": home, "name": "x", "email": "x@y.test", "run": "true"})
        assert answer.status_code == 409, path


PAGES = (
    "/settings", "/settings/organization", "/settings/sessions", "/organizations", "/organizations/new", "/members",
    "/invitations", "/invitations/new", "/teams", "/api-keys", "/api-keys/new", "/jobs", "/jobs/new", "/node-pools",
    "/events",
)  # fmt: skip


@pytest.mark.parametrize("path", PAGES)
def test_every_form_says_which_organization_it_is_for(admin: TestClient, house: House, path: str) -> None:
    house.sign_in(house.admin_user)
    text = admin.get(path).text
    forms = [form.partition("</form>")[0] for form in text.split("<form")[1:]]
    writing = [form for form in forms if 'method="post"' in form]
    assert writing and all(f'name="_organization" value="{house.home.id}"' in form for form in writing)


def test_a_key_makes_no_organization(house: House) -> None:
    assert house.key("admin").post(f"{API}/organizations", json={"name": "Mine"}).status_code == 403

"""Teams: made, filled, renamed and deleted by admins, seen by everybody in the organization."""

from __future__ import annotations

import pytest
from starlette.testclient import TestClient

from tests.accounts.people import API, actions_of, create_organization, membership, switch
from tests.conftest import House


def make(client: TestClient, name: str = "Vision") -> str:
    answer = client.post(f"{API}/teams", json={"name": name})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


@pytest.mark.database
def test_an_admin_makes_and_fills_a_team(admin: TestClient, member: TestClient) -> None:
    team, bob = make(admin), membership(admin, "bob@lab.test")
    for _ in range(2):
        whole = admin.post(f"{API}/teams/{team}/members", json={"member": bob}).json()
        assert [m["id"] for m in whole["members"]] == [bob] and whole["size"] == 1
    assert member.get(f"{API}/teams").json()["items"][0]["size"] == 1
    assert member.get(f"{API}/members/{bob}").json()["teams"] == [{"id": team, "name": "Vision"}]
    assert admin.delete(f"{API}/teams/{team}/members/{bob}").status_code == 204
    assert admin.get(f"{API}/teams/{team}").json()["members"] == []
    assert actions_of(admin, team) == ["team.member_removed", "team.member_added", "team.created"]


def test_a_name_is_taken_whatever_its_case(admin: TestClient) -> None:
    make(admin)
    other = make(admin, "Speech")
    for answer in (
        admin.post(f"{API}/teams", json={"name": " VISION "}),
        admin.patch(f"{API}/teams/{other}", json={"name": "vision"}),
    ):
        assert answer.status_code == 409 and answer.json()["errors"][0]["field"] == "name"
    assert admin.patch(f"{API}/teams/{other}", json={"name": "SPEECH"}).json()["name"] == "SPEECH"


def test_a_member_manages_no_team(admin: TestClient, member: TestClient) -> None:
    team, own = make(admin), membership(member)
    assert member.post(f"{API}/teams", json={"name": "Mine"}).status_code == 403
    assert member.post(f"{API}/teams/{team}/members", json={"member": own}).status_code == 403
    assert member.patch(f"{API}/teams/{team}", json={"name": "Mine"}).status_code == 403
    assert member.delete(f"{API}/teams/{team}").status_code == 403


def test_nobody_of_another_organization_gets_in(admin: TestClient, house: House) -> None:
    team = make(admin)
    there = house.organization("Elsewhere")
    mallory = house.sign_in(house.person("mallory@else.test", organization=there))
    stranger = membership(mallory)
    assert admin.post(f"{API}/teams/{team}/members", json={"member": stranger}).status_code == 422
    assert admin.delete(f"{API}/teams/{team}/members/{stranger}").status_code == 404
    assert mallory.get(f"{API}/teams/{team}").status_code == 404


def test_who_leaves_the_organization_leaves_its_teams(admin: TestClient, member: TestClient) -> None:
    team, bob = make(admin), membership(admin, "bob@lab.test")
    admin.post(f"{API}/teams/{team}/members", json={"member": bob})
    admin.delete(f"{API}/members/{bob}")
    assert admin.get(f"{API}/teams/{team}").json()["members"] == []
    assert admin.get(f"{API}/teams").json()["items"][0]["size"] == 0


def test_two_organizations_have_their_own_teams(admin: TestClient) -> None:
    make(admin)
    switch(admin, create_organization(admin, "Other"))
    assert admin.get(f"{API}/teams").json()["items"] == []
    make(admin)


def test_a_team_is_managed_on_its_page(admin: TestClient, member: TestClient) -> None:
    answer = admin.post("/teams", data={"name": "Vision"})
    team = answer.headers["Location"]
    bob = membership(admin, "bob@lab.test")
    assert admin.post(f"{team}/members", data={"member": bob}).headers["Location"] == team
    assert "bob@lab.test" in admin.get(team).text
    assert admin.post(f"{team}/members/{bob}", data={"_method": "DELETE"}).headers["Location"] == team
    assert admin.post(team, data={"_method": "DELETE"}).headers["Location"] == "/teams"
    assert "Vision" not in admin.get("/teams").text.replace("team Vision is deleted", "")

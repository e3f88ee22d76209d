"""A job shared with a team: who is in it sees job, log and events; others see none of them, as if it were not there."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.testclient import TestClient

from tests.accounts.people import API, membership
from tests.conftest import House


@pytest.fixture
def team(admin: TestClient, member: TestClient) -> str:
    """Bob's team."""
    made = admin.post(f"{API}/teams", json={"name": "Vision"}).json()["id"]
    admin.post(f"{API}/teams/{made}/members", json={"member": membership(admin, "bob@lab.test")})
    return str(made)


@pytest.fixture
def mate(house: House, admin: TestClient, team: str) -> TestClient:
    """Somebody else of that team."""
    client = house.member("mia@lab.test")
    admin.post(f"{API}/teams/{team}/members", json={"member": membership(client)})
    return client


@pytest.fixture
def stranger(house: House) -> TestClient:
    """A member of the organization who is not in the team."""
    return house.member("eve@lab.test")


def submit(client: TestClient, **fields: Any) -> dict[str, Any]:
    answer = client.post(f"{API}/jobs", json={"run": "true", "name": "secret-plan", **fields})
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def shown(client: TestClient, job: str) -> list[int]:
    paths = ("", "/events", "/logs", "/task", "/log-matches?q=plan")
    return [client.get(f"{API}/jobs/{job}{path}").status_code for path in paths]


@pytest.mark.database
def test_the_team_sees_it_and_nobody_else(
    admin: TestClient, member: TestClient, team: str, mate: TestClient, stranger: TestClient
) -> None:
    job = submit(member, visibility="team", team="vision")
    assert job["visibility"] == "team" and job["team"] == {"id": team, "name": "Vision"}
    for client in (admin, member, mate):
        assert shown(client, job["id"]) == [200] * 5
    assert shown(stranger, job["id"]) == [404] * 5


@pytest.mark.database
def test_lists_searches_and_the_trail_tell_a_stranger_nothing(
    member: TestClient, team: str, mate: TestClient, stranger: TestClient
) -> None:
    job = submit(member, visibility="team", team=team)["id"]
    member.post(f"{API}/jobs/{job}/stop")
    for path in ("/jobs", "/jobs?q=secret", "/jobs?name=secret-plan", f"/events?subject={job}", "/events/export"):
        assert job in mate.get(API + path).text, path
        assert "secret-plan" not in stranger.get(API + path).text, path
        assert job not in stranger.get(API + path).text, path
    assert stranger.get(f"{API}/jobs/count", params={"name": "secret-plan"}).json()["count"] == 0


def test_who_is_in_the_team_reads_but_does_not_write(member: TestClient, team: str, mate: TestClient) -> None:
    job = submit(member, visibility="team", team=team)["id"]
    assert mate.post(f"{API}/jobs/{job}/stop").status_code == 403
    assert mate.patch(f"{API}/jobs/{job}", json={"name": "mine"}).status_code == 403


def test_a_bulk_stop_tells_the_team_what_one_stop_tells_it(
    member: TestClient, team: str, mate: TestClient, stranger: TestClient
) -> None:
    job = submit(member, visibility="team", team=team)["id"]
    details = [
        client.post(f"{API}/jobs/stop", json={"ids": [job]}).json()["refused"][0]["detail"]
        for client in (mate, stranger)
    ]
    assert details == ["Only its owner, or an admin, may stop it.", "There is no such job here."]


def test_who_leaves_the_team_sees_it_no_longer(
    admin: TestClient, member: TestClient, team: str, mate: TestClient
) -> None:
    job = submit(member, visibility="team", team=team)["id"]
    admin.delete(f"{API}/teams/{team}/members/{membership(mate)}")
    assert shown(mate, job) == [404] * 5


def test_what_a_deleted_team_shared_is_private(
    admin: TestClient, member: TestClient, team: str, mate: TestClient
) -> None:
    job = submit(member, visibility="team", team=team)["id"]
    assert admin.delete(f"{API}/teams/{team}").status_code == 204
    assert shown(mate, job) == [404] * 5
    kept = member.get(f"{API}/jobs/{job}").json()
    assert kept["visibility"] == "private" and kept["team"] is None


def test_one_shares_only_with_ones_own_team(stranger: TestClient, team: str) -> None:
    for wanted in (team, "Vision", "no such team"):
        answer = stranger.post(f"{API}/jobs", json={"run": "true", "visibility": "team", "team": wanted})
        assert answer.status_code == 422 and answer.json()["errors"][0]["field"] == "team"


@pytest.mark.parametrize(
    "wrong", [{"visibility": "team"}, {"team": "vision"}, {"team": "vision", "visibility": "private"}]
)
def test_the_team_goes_with_its_visibility(member: TestClient, team: str, wrong: dict[str, str]) -> None:
    answer = member.post(f"{API}/jobs", json={"run": "true", **wrong})
    assert answer.status_code == 422 and answer.json()["errors"][0]["field"] == "team"


@pytest.mark.database
def test_sharing_can_be_changed(member: TestClient, team: str, mate: TestClient) -> None:
    job = submit(member, visibility="private")["id"]
    assert shown(mate, job)[0] == 404
    member.patch(f"{API}/jobs/{job}", json={"visibility": "team", "team": team})
    assert shown(mate, job) == [200] * 5
    assert f"team: {team}" in member.get(f"{API}/jobs/{job}/task").text
    member.patch(f"{API}/jobs/{job}", json={"visibility": "private"})
    assert shown(mate, job)[0] == 404
    assert "team" not in member.get(f"{API}/jobs/{job}/task").text


def test_it_runs_again_for_the_same_team(member: TestClient, team: str) -> None:
    job = submit(member, visibility="team", team="Vision")["id"]
    again = member.post(f"{API}/jobs/{job}/rerun").json()
    assert again["visibility"] == "team" and again["team"]["id"] == team


def test_the_form_offers_ones_teams(member: TestClient, stranger: TestClient, team: str) -> None:
    assert f'value="team:{team}"' in member.get("/jobs/new").text
    assert f'value="team:{team}"' not in stranger.get("/jobs/new").text
    answer = member.post("/jobs", data={"run": "true", "visibility": f"team:{team}"})
    assert answer.status_code == 303
    assert "The team Vision" in member.get(answer.headers["Location"]).text


@pytest.mark.database
def test_a_job_of_a_team_that_is_gone_can_be_run_again(admin: TestClient, member: TestClient, team: str) -> None:
    job = submit(member, visibility="team", team="vision")
    assert admin.delete(f"{API}/teams/{team}").status_code == 204
    assert team not in member.get(f"{API}/jobs/{job['id']}/task").text
    again = member.post(f"{API}/jobs/{job['id']}/rerun")
    assert again.status_code == 201 and again.json()["visibility"] == "private"


@pytest.mark.database
def test_a_key_shares_with_its_own_teams_even_once_its_owner_rose(
    admin: TestClient, member: TestClient, team: str, house: House
) -> None:
    eve = house.member("eve@lab.test")
    key = eve.post(f"{API}/api-keys", json={"name": "low", "scopes": ["compute:write"]}).json()["secret"]
    admin.patch(f"{API}/members/{membership(eve)}", json={"role": "admin"})
    shared = {"run": "true", "visibility": "team", "team": team}
    answer = house.anonymous().post(f"{API}/jobs", json=shared, headers={"Authorization": f"Bearer {key}"})
    assert answer.status_code == 422 and answer.json()["errors"][0]["field"] == "team"

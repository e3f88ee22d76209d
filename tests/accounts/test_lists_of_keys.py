"""Lists of API keys: narrowed by owner, state and text, and many revoked at once."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import update
from starlette.testclient import TestClient

from app.accounts.models import ApiKey
from app.db import utcnow
from tests.conftest import House

KEYS = "/api/v1/api-keys"


def made(client: TestClient, name: str, *scopes: str) -> dict[str, str]:
    answer = client.post(KEYS, json={"name": name, "scopes": list(scopes)})
    assert answer.status_code == 201, answer.text
    found: dict[str, str] = answer.json()
    return found


def names(client: TestClient, **query: str) -> list[str]:
    answer = client.get(KEYS, params=query)
    assert answer.status_code == 200, answer.text
    return [key["name"] for key in answer.json()["items"]]


def state(client: TestClient, key: dict[str, str]) -> str:
    return str(client.get(f"{KEYS}/{key['id']}").json()["state"])


def test_keys_are_listed_by_owner(house: House, admin: TestClient, member: TestClient) -> None:
    made(admin, "ours")
    made(member, "theirs")
    bob = member.get("/api/v1/auth/me").json()["id"]
    assert (names(admin, owner="me"), names(admin, owner=bob), names(admin, owner="nobody")) == (
        ["ours"],
        ["theirs"],
        [],
    )
    assert set(names(admin, owner="all")) == {"ours", "theirs"} and names(member, owner="all") == ["theirs"]
    assert names(member, owner=house.admin_user.id) == []


@pytest.mark.database
def test_keys_are_listed_by_state(house: House, admin: TestClient) -> None:
    made(admin, "lives")
    admin.delete(f"{KEYS}/{made(admin, 'revoked')['id']}")
    late = made(admin, "expired")
    with house.site.db.write() as db:
        past = utcnow() - timedelta(minutes=1)
        db.connection().execute(update(ApiKey).where(ApiKey.id == late["id"]).values(expires_at=past))  # type: ignore[arg-type]
    assert [names(admin, state=s) for s in ("active", "expired", "revoked")] == [["lives"], ["expired"], ["revoked"]]
    assert admin.get(KEYS, params={"state": "dead"}).json()["errors"][0]["field"] == "state"


@pytest.mark.database
def test_keys_are_found_by_name_and_by_how_they_begin(admin: TestClient) -> None:
    key = made(admin, "Nightly 100%")
    made(admin, "other")
    for text in ("nightly", "100%", key["prefix"]):
        assert names(admin, q=text) == ["Nightly 100%"], text
    assert names(admin, q=" ") == ["other", "Nightly 100%"] and names(admin, q="0%%") == []


@pytest.mark.database
def test_many_are_revoked_at_once_each_with_what_it_made(house: House, admin: TestClient, member: TestClient) -> None:
    parent, other, before = made(admin, "parent", "admin"), made(admin, "other"), made(admin, "before")
    program = house.anonymous()
    program.headers["Authorization"] = f"Bearer {parent['secret']}"
    child, theirs, kept = made(program, "child"), made(member, "theirs"), made(admin, "kept")
    admin.delete(f"{KEYS}/{before['id']}")
    ids = [parent["id"], child["id"], other["id"], other["id"], before["id"], theirs["id"], "key_0"]
    answer = admin.post(f"{KEYS}/revoke", json={"ids": ids})
    assert answer.status_code == 202
    refused = [{"id": "key_0", "detail": "There is no such key."}]
    assert answer.json() == {"revoked": 4, "unchanged": 1, "refused": refused}
    assert [state(admin, key) for key in (parent, child, other, theirs)] == ["revoked"] * 4
    assert state(admin, kept) == "active"
    again = admin.post(f"{KEYS}/revoke", json={"ids": ids}).json()
    assert (again["revoked"], again["unchanged"]) == (0, 5)
    told = admin.get("/api/v1/events", params={"action": "api_key.revoked"}).json()["items"]
    assert sorted(event["subject_id"] for event in told) == sorted(
        k["id"] for k in (parent, child, other, before, theirs)
    )


def test_generations_of_keys_are_revoked_each_once(house: House, admin: TestClient) -> None:
    chain, maker = [], admin
    for number in range(20):
        chain.append(made(maker, f"generation {number}", "admin"))
        maker = house.anonymous()
        maker.headers["Authorization"] = f"Bearer {chain[-1]['secret']}"
    answer = admin.post(f"{KEYS}/revoke", json={"ids": [key["id"] for key in chain]})
    assert answer.json()["revoked"] == 20
    told = admin.get("/api/v1/events", params={"action": "api_key.revoked"}).json()["items"]
    assert sorted(event["subject_id"] for event in told) == sorted(key["id"] for key in chain)


def test_a_member_revokes_their_own_alone(admin: TestClient, member: TestClient) -> None:
    ours, theirs = made(admin, "ours"), made(member, "theirs")
    answer = member.post(f"{KEYS}/revoke", json={"ids": [ours["id"], theirs["id"]]}).json()
    assert (answer["revoked"], [one["id"] for one in answer["refused"]]) == (1, [ours["id"]])
    assert state(admin, ours) == "active"


@pytest.mark.parametrize(
    "body", [{}, {"ids": []}, {"ids": ["nonsense"]}, {"ids": ["key_0"] * 1001}, {"ids": ["key_0"], "all": True}]
)
def test_what_names_no_keys_is_refused(admin: TestClient, body: dict[str, object]) -> None:
    assert admin.post(f"{KEYS}/revoke", json=body).status_code == 422


def test_the_form_with_nothing_ticked_says_so_on_the_list(house: House, admin: TestClient) -> None:
    made(admin, "stays")
    answer = admin.post("/api-keys/revoke", data={"_organization": house.home.id})
    assert answer.status_code == 422
    assert "Tick the keys to revoke first." in answer.text and "stays" in answer.text

"""WorkOS's webhook: what is forged, old, repeated or out of order does nothing; what is true is seen at once."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from typing import Any

import httpx2
import pytest

from app.settings import Settings
from tests.accounts.workos.conftest import Door
from tests.conftest import House
from tests.peers.workos import ADA, BOB, EVE, WEBHOOK_SECRET

PATH = "/api/v1/auth/webhooks/workos"


def event(number: int, organization_id: str = "org_x") -> dict[str, Any]:
    data = {"id": "om_x", "organization_id": organization_id}
    return {"id": f"event_{number}", "event": "organization_membership.deleted", "data": data}


def send(client: Any, body: dict[str, Any], *, secret: str = WEBHOOK_SECRET, age: float = 0, stamp: str = "") -> Any:
    text = json.dumps(body)
    made_at = stamp or str(int(time.time() - age))
    signature = hmac.new(secret.encode(), f"{made_at}.{text}".encode(), hashlib.sha256).hexdigest()
    headers = {"WorkOS-Signature": f"t={made_at}, v1={signature}", "Content-Type": "application/json"}
    return client.post(PATH, content=text, headers=headers)


class TestTheDoor:
    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        given = {"auth_api_key": "k", "auth_client_id": "c", "auth_webhook_secret": WEBHOOK_SECRET}
        return settings.model_copy(update=given)

    def test_an_event_is_taken_once(self, house: House) -> None:
        client = house.anonymous()
        assert send(client, event(1)).json() == {"id": "event_1", "new": True}
        assert send(client, event(1)).json() == {"id": "event_1", "new": False}

    def test_milliseconds_are_a_time_as_well(self, house: House) -> None:
        assert send(house.anonymous(), event(1), stamp=str(int(time.time() * 1000))).status_code == 200

    @pytest.mark.parametrize("wrong", [{"secret": "guessed"}, {"age": 200}, {"age": -200}, {"stamp": "soon"}])
    def test_a_forged_or_an_old_one_is_refused(self, house: House, wrong: dict[str, Any]) -> None:
        assert send(house.anonymous(), event(1), **wrong).status_code == 401

    def test_one_without_a_signature_is_refused(self, house: House) -> None:
        assert house.anonymous().post(PATH, json=event(1)).status_code == 401

    def test_a_changed_body_is_refused(self, house: House) -> None:
        sent = send(house.anonymous(), event(1)).request
        bent = sent.content.replace(b"org_x", b"org_y")
        assert house.anonymous().post(PATH, content=bent, headers=sent.headers).status_code == 401

    def test_a_signed_body_that_is_no_event_is_refused(self, house: House) -> None:
        assert send(house.anonymous(), {"hello": "world"}).status_code == 422


def test_without_a_secret_none_is_taken(house: House) -> None:
    assert send(house.anonymous(), event(1)).status_code == 403


def role_of(door: Door, browser: httpx2.Client) -> str | None:
    me = door.me(browser)
    return str(me["role"]) if me else None


def test_what_changes_at_workos_is_seen_here_at_once(door: Door) -> None:
    bob = door.sign_in(BOB)
    (membership,) = (
        m
        for m in door.workos.listed(f"user_management/organization_memberships?organization_id={door.lab}")
        if m["user_id"] == door.workos.user(BOB)["id"]
    )
    path = f"user_management/organization_memberships/{membership['id']}"
    door.workos.ask("PUT", path, role_slug="admin")
    door.wait(lambda: role_of(door, bob) == "admin", "Bob to be an admin")
    key = bob.post("/api/v1/api-keys", json={"name": "k"}).json()["secret"]
    door.workos.ask("DELETE", path)
    door.wait(lambda: door.me(bob) is None, "Bob to be nobody")
    door.wait(lambda: not door.workos.sessions(BOB), "the end of Bob's session at WorkOS")
    program = door.server.client(Authorization=f"Bearer {key}")
    assert program.get("/api/v1/auth/me").status_code == 401


def test_old_news_that_come_late_change_nothing(door: Door) -> None:
    bob = door.sign_in(BOB)
    assert send(door.browser(), event(7, door.lab)).json()["new"] is True
    door.workos.member(door.lab, EVE)  # its event comes after, and is looked into after
    door.wait(lambda: len(_members(door)) == 3, "Eve to be a member")
    assert role_of(door, bob) == "member"


def test_the_last_admin_who_is_removed_at_workos_is_removed_here(door: Door) -> None:
    ada = door.sign_in(ADA)
    memberships = door.workos.listed(f"user_management/organization_memberships?organization_id={door.lab}")
    for membership in memberships:
        door.workos.ask("DELETE", f"user_management/organization_memberships/{membership['id']}")
    door.wait(lambda: door.me(ada) is None, "Ada to be nobody")


def _members(door: Door) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = door.sign_in(ADA).get("/api/v1/members").json()["items"]
    return found

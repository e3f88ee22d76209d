"""Organizations, members and invitations that are changed here, and kept at WorkOS."""

from __future__ import annotations

from typing import Any

import httpx2

from tests.accounts.workos.conftest import Door
from tests.peers.workos import ADA, BOB, EVE

API = "/api/v1"


def memberships(door: Door, organization_id: str) -> dict[str, str]:
    """The role of each person in the organization, as WorkOS has it."""
    people = {user["id"]: user["email"] for user in door.workos.listed("user_management/users")}
    listed = door.workos.listed(f"user_management/organization_memberships?organization_id={organization_id}")
    return {people[m["user_id"]]: m["role"]["slug"] for m in listed}


def member(browser: httpx2.Client, email: str) -> dict[str, Any]:
    found: list[dict[str, Any]] = browser.get(f"{API}/members").json()["items"]
    return next(m for m in found if m["email"] == email)


def test_an_organization_is_made_renamed_and_switched_to(door: Door) -> None:
    ada = door.sign_in()
    made = ada.post(f"{API}/organizations", json={"name": "Night shift"})
    assert made.status_code == 201, made.text
    (there,) = (o for o in door.workos.listed("organizations") if o["name"] == "Night shift")
    assert memberships(door, there["id"]) == {ADA: "admin"}


def test_a_role_is_changed_there_and_here(door: Door) -> None:
    ada = door.sign_in()
    door.sign_in(BOB)
    changed = ada.patch(f"{API}/members/{member(ada, BOB)['id']}", json={"role": "admin"})
    assert changed.status_code == 200, changed.text
    assert memberships(door, door.lab)[BOB] == "admin"


def test_the_last_admin_stays_one_and_workos_is_not_asked(door: Door) -> None:
    ada = door.sign_in()
    refused = ada.patch(f"{API}/members/{member(ada, ADA)['id']}", json={"role": "member"})
    assert refused.status_code == 409
    assert memberships(door, door.lab)[ADA] == "admin"


def test_a_member_is_removed_there_and_dead_here(door: Door) -> None:
    ada, bob = door.sign_in(), door.sign_in(BOB)
    assert ada.delete(f"{API}/members/{member(ada, BOB)['id']}").status_code == 204
    assert BOB not in memberships(door, door.lab)
    assert door.me(bob) is None
    door.wait(lambda: not door.workos.sessions(BOB), "the end of Bob's session at WorkOS")


def test_an_invitation_is_mailed_by_workos_and_accepted_there(door: Door) -> None:
    ada = door.sign_in()
    sent = ada.post(f"{API}/invitations", json={"email": EVE, "role": "member"})
    assert sent.status_code == 201, sent.text
    assert sent.json()["mailed"] is True and sent.json()["link"] is None
    assert f"mailed to {EVE}" in ada.get(f"/invitations/{sent.json()['id']}").text
    (there,) = door.workos.listed(f"user_management/invitations?organization_id={door.lab}")
    assert (there["email"], there["state"]) == (EVE, "pending")
    door.workos.ask("POST", f"user_management/invitations/{there['id']}/accept")
    eve = door.me(door.sign_in(EVE))
    assert eve is not None and eve["role"] == "member"


def test_an_invitation_is_revoked_there(door: Door) -> None:
    ada = door.sign_in()
    sent = ada.post(f"{API}/invitations", json={"email": EVE, "role": "admin"}).json()
    assert ada.delete(f"{API}/invitations/{sent['id']}").status_code == 204
    (there,) = door.workos.listed(f"user_management/invitations?organization_id={door.lab}")
    assert there["state"] == "revoked"


def test_without_workos_nothing_is_changed_here(door: Door) -> None:
    ada = door.sign_in()
    door.sign_in(BOB)
    bob = member(ada, BOB)
    door.workos.stop()
    assert ada.patch(f"{API}/members/{bob['id']}", json={"role": "admin"}).status_code == 503
    assert member(ada, BOB)["role"] == "member"
    assert ada.post(f"{API}/invitations", json={"email": EVE, "role": "member"}).status_code == 503

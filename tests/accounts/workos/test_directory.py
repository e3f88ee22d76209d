"""Organizations, members and invitations that are changed here, and kept at WorkOS."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import httpx2
import pytest

from app.accounts.workos import mirror, snapshots
from app.accounts.workos.api import Api
from app.accounts.workos.mirror import Snapshot
from app.db import utcnow
from app.main import close_site, open_site
from app.workers.directory import DirectoryWorker
from tests.accounts.workos.conftest import Door
from tests.accounts.workos.test_sessions import provider_of, settings_of
from tests.peers.workos import ADA, BOB, EVE

API = "/api/v1"
_MEMBERSHIPS = "user_management/organization_memberships?organization_id={}"


def at_once(*calls: Callable[[], httpx2.Response]) -> list[int]:
    """The answers' statuses, in ascending order."""
    together = threading.Barrier(len(calls))
    statuses: list[int] = []

    def go(call: Callable[[], httpx2.Response]) -> None:
        together.wait()
        statuses.append(call().status_code)

    threads = [threading.Thread(target=go, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sorted(statuses)


def memberships(door: Door, organization_id: str) -> dict[str, str]:
    """The role of each person in the organization, as WorkOS has it."""
    people = {user["id"]: user["email"] for user in door.workos.listed("user_management/users")}
    listed = door.workos.listed(_MEMBERSHIPS.format(organization_id))
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


def invitations(door: Door, state: str = "pending") -> list[str]:
    """WorkOS's ids of those in Lab that are in this state."""
    listed = door.workos.listed(f"user_management/invitations?organization_id={door.lab}")
    return [i["id"] for i in listed if i["state"] == state]


def shown(browser: httpx2.Client, state: str = "pending") -> list[str]:
    items = browser.get(f"{API}/invitations", params={"state": state}).json()["items"]
    return [str(i["id"]) for i in items]


def look_later(door: Door) -> None:
    """What the mirror does five minutes from now; the server is not running meanwhile."""
    door.server.stop()
    site = open_site(settings_of(door))
    try:
        later = utcnow() + timedelta(minutes=5)
        DirectoryWorker(site, provider_of(site), clock=lambda: later).round()
    finally:
        close_site(site)
    door.server.start()


def test_of_two_invitations_at_once_one_is_sent(door: Door) -> None:
    ada, also_ada = door.sign_in(), door.sign_in()
    body = {"email": EVE, "role": "member"}
    statuses = at_once(*(lambda who=who: who.post(f"{API}/invitations", json=body) for who in (ada, also_ada)))
    assert statuses == [201, 409]
    assert len(invitations(door)) == 1
    (seen,) = shown(ada)
    assert ada.delete(f"{API}/invitations/{seen}").status_code == 204
    assert invitations(door) == []


def test_of_two_invitations_that_workos_keeps_the_one_that_is_not_shown_is_revoked_there(door: Door) -> None:
    ada = door.sign_in()
    body = {"email": EVE, "organization_id": door.lab, "role_slug": "member"}
    first, second = (door.workos.ask("POST", "user_management/invitations", **body)["id"] for _ in "ab")
    look_later(door)
    assert (invitations(door), invitations(door, "revoked")) == ([first], [second])
    (seen,) = shown(ada)
    assert ada.delete(f"{API}/invitations/{seen}").status_code == 204
    assert invitations(door) == []


def test_what_was_revoked_here_is_not_honoured_there(door: Door) -> None:
    ada = door.sign_in()
    sent = ada.post(f"{API}/invitations", json={"email": EVE, "role": "member"}).json()["id"]
    assert ada.delete(f"{API}/invitations/{sent}").status_code == 204
    (there,) = invitations(door, "revoked")
    door.workos.ask("POST", f"user_management/invitations/{there}/resend")
    look_later(door)
    assert (shown(ada), invitations(door)) == ([], [])


def test_an_invitation_is_revoked_there(door: Door) -> None:
    ada = door.sign_in()
    sent = ada.post(f"{API}/invitations", json={"email": EVE, "role": "admin"}).json()
    assert ada.delete(f"{API}/invitations/{sent['id']}").status_code == 204
    (there,) = door.workos.listed(f"user_management/invitations?organization_id={door.lab}")
    assert there["state"] == "revoked"


@pytest.mark.parametrize("how", ["remove each other", "leave", "demote each other"])
def test_two_admins_cannot_both_go_at_once(door: Door, how: str) -> None:
    ada, bob = door.sign_in(), door.sign_in(BOB)
    assert ada.patch(f"{API}/members/{member(ada, BOB)['id']}", json={"role": "admin"}).status_code == 200
    paths = {person: f"{API}/members/{member(ada, person)['id']}" for person in (ADA, BOB)}
    if how == "leave":
        statuses = at_once(lambda: ada.delete(paths[ADA]), lambda: bob.delete(paths[BOB]))
    elif how == "remove each other":
        statuses = at_once(lambda: ada.delete(paths[BOB]), lambda: bob.delete(paths[ADA]))
    else:
        down = {"role": "member"}
        statuses = at_once(lambda: ada.patch(paths[BOB], json=down), lambda: bob.patch(paths[ADA], json=down))
    late = {401, 403}  # whoever asked when the other was through already had no right to it any more
    assert statuses[0] == (200 if "demote" in how else 204) and statuses[1] in {409, *late}
    assert list(memberships(door, door.lab).values()).count("admin") == 1
    left = next(browser for browser in (ada, bob) if (door.me(browser) or {}).get("role") == "admin")
    assert [m["role"] for m in left.get(f"{API}/members").json()["items"]].count("admin") == 1


def as_of_now(door: Door, *people: str) -> Snapshot:
    """What the mirror would write down now, if it had asked for these people's memberships."""
    api = Api(api_key=door.workos.settings["AUTH_API_KEY"], client_id="", base_url=door.workos.url)
    by_person = {m["user_id"]: m["id"] for m in door.workos.listed(_MEMBERSHIPS.format(door.lab))}
    known = [by_person[door.workos.user(person)["id"]] for person in people]
    snapshot = snapshots.snapshot(api, door.lab, known)
    api.close()
    assert snapshot is not None
    return snapshot


def write_down(door: Door, snapshot: Snapshot) -> None:
    """As the mirror does, while the server is stopped."""
    door.server.stop()
    site = open_site(settings_of(door))
    try:
        with site.db.write() as db:
            mirror.take_over(db, snapshot, site.settings, utcnow())
    finally:
        close_site(site)
    door.server.start()


def test_what_the_mirror_asked_before_a_removal_brings_nobody_back(door: Door) -> None:
    ada, bob = door.sign_in(), door.sign_in(BOB)
    before = as_of_now(door, ADA, BOB)
    assert ada.delete(f"{API}/members/{member(ada, BOB)['id']}").status_code == 204
    write_down(door, before)
    assert [m["email"] for m in ada.get(f"{API}/members").json()["items"]] == [ADA]
    assert door.me(bob) is None


def test_what_the_mirror_asked_before_a_demotion_makes_nobody_an_admin_again(door: Door) -> None:
    ada = door.sign_in()
    bob = door.sign_in(BOB)
    path = f"{API}/members/{member(ada, BOB)['id']}"
    ada.patch(path, json={"role": "admin"})
    before = as_of_now(door, ADA, BOB)
    assert ada.patch(path, json={"role": "member"}).status_code == 200
    write_down(door, before)
    me = door.me(bob)
    assert me is not None and me["role"] == "member"


def test_who_is_gone_at_workos_already_is_removed_here(door: Door) -> None:
    ada, bob = door.sign_in(), door.sign_in(BOB)
    path = f"{API}/members/{member(ada, BOB)['id']}"
    assert set(at_once(lambda: ada.delete(path), lambda: ada.delete(path))) <= {204, 404}
    assert BOB not in memberships(door, door.lab) and door.me(bob) is None


def test_a_removal_that_workos_does_not_hear_of_changes_nothing(door: Door) -> None:
    ada, bob = door.sign_in(), door.sign_in(BOB)
    before = member(ada, BOB)
    secret = bob.post(f"{API}/api-keys", json={"name": "k"}).json()["secret"]
    door.workos.stop()
    assert ada.delete(f"{API}/members/{before['id']}").status_code == 503
    assert member(ada, BOB) == before and door.me(bob) is not None
    assert door.server.client(Authorization=f"Bearer {secret}").get(f"{API}/auth/me").status_code == 200
    trail = ada.get(f"{API}/events", params={"subject": before["id"]}).json()["items"]
    assert not [e for e in trail if e["action"] in {"member.removed", "member.left"}]


@pytest.mark.parametrize("how", ["remove", "demote"])
def test_what_a_former_admin_sent_is_revoked_there(door: Door, how: str) -> None:
    ada, bob = door.sign_in(), door.sign_in(BOB)
    as_member = f"{API}/members/{member(ada, BOB)['id']}"
    assert ada.patch(as_member, json={"role": "admin"}).status_code == 200
    assert bob.post(f"{API}/invitations", json={"email": EVE, "role": "admin"}).status_code == 201
    if how == "remove":
        assert ada.delete(as_member).status_code == 204
    else:
        assert ada.patch(as_member, json={"role": "member"}).status_code == 200
    there = f"user_management/invitations?organization_id={door.lab}"
    door.wait(lambda: [i["state"] for i in door.workos.listed(there)] == ["revoked"], "its end at WorkOS")
    sent = ada.get(f"{API}/invitations").json()["items"]
    assert [i["state"] for i in sent] == ["revoked"]


def test_without_workos_nothing_is_changed_here(door: Door) -> None:
    ada = door.sign_in()
    door.sign_in(BOB)
    bob = member(ada, BOB)
    door.workos.stop()
    assert ada.patch(f"{API}/members/{bob['id']}", json={"role": "admin"}).status_code == 503
    assert member(ada, BOB)["role"] == "member"
    assert ada.post(f"{API}/invitations", json={"email": EVE, "role": "member"}).status_code == 503

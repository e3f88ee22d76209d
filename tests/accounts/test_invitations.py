"""Invitations: a link that admits one person once, for seven days, and never as somebody who has an account."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import update
from sqlmodel import col, select
from starlette.testclient import TestClient

from app.accounts.invitations.models import Invitation
from app.accounts.invitations.service import LIFE
from app.accounts.providers.models import Identity
from app.accounts.queries import user_by_email
from app.db import utcnow
from app.web.action import Role
from tests.accounts.people import (
    API,
    actions_of,
    create_organization,
    invite,
    join,
    me,
    membership,
    switch,
    token_of,
)
from tests.conftest import SAME_ORIGIN, House


@pytest.mark.database
def test_the_invited_person_joins_by_the_link(admin: TestClient, anonymous: TestClient) -> None:
    made = invite(admin, " Carol@Lab.test ", "admin")
    assert made["state"] == "pending" and made["email"] == "carol@lab.test"
    assert made["mailed"] is False and "mailed" not in admin.get(f"/invitations/{made['id']}").text
    assert "carol@lab.test" in anonymous.get("/join", params={"token": token_of(made)}).text
    assert join(anonymous, token_of(made)) == 303
    carol = me(anonymous)
    assert (carol["name"], carol["email"], carol["role"]) == ("Carol", "carol@lab.test", "admin")
    assert admin.get(f"{API}/invitations/{made['id']}").json()["state"] == "accepted"
    assert {"invitation.accepted", "member.added"} <= set(actions_of(admin))


def test_only_admins_are_offered_invitations(admin: TestClient, house: House) -> None:
    offered = '<a href="/invitations'
    assert admin.get("/settings").text.count(offered) == 2
    assert offered not in house.member().get("/settings").text


def test_only_the_tokens_hash_is_kept(admin: TestClient, house: House) -> None:
    token = token_of(invite(admin, "carol@lab.test"))
    with house.site.db.read() as db:
        row = db.exec(select(Invitation)).one()
    assert token not in repr(row) and len(row.digest or "") == 64
    assert "link" not in admin.get(f"{API}/invitations").json()["items"][0]
    assert admin.get(f"{API}/invitations/{row.id}").json()["link"] is None


def test_a_link_works_once(admin: TestClient, house: House) -> None:
    token = token_of(invite(admin, "carol@lab.test"))
    assert join(house.anonymous(), token) == 303
    thief = house.anonymous()
    assert join(thief, token) == 410
    assert "accepted already" in thief.get("/join", params={"token": token}).text


def test_looking_does_not_spend_it(admin: TestClient, anonymous: TestClient) -> None:
    token = token_of(invite(admin, "carol@lab.test"))
    for _ in range(3):
        assert anonymous.get("/join", params={"token": token}).status_code == 200
    assert join(anonymous, token) == 303


def test_a_name_is_needed_and_the_form_keeps_the_link(admin: TestClient, anonymous: TestClient) -> None:
    token = token_of(invite(admin, "carol@lab.test"))
    answer = anonymous.post(
        "/join", params={"token": token}, data={"token": token}, headers={"Sec-Fetch-Site": "same-origin"}
    )
    assert answer.status_code == 422 and token in answer.text
    assert join(anonymous, token) == 303


def test_a_revoked_link_is_dead(admin: TestClient, anonymous: TestClient) -> None:
    made = invite(admin, "carol@lab.test")
    assert admin.delete(f"{API}/invitations/{made['id']}").status_code == 204
    assert admin.delete(f"{API}/invitations/{made['id']}").status_code == 204
    assert join(anonymous, token_of(made)) == 410
    assert "revoked" in anonymous.get("/join", params={"token": token_of(made)}).text


def test_sending_again_replaces_the_link(admin: TestClient, anonymous: TestClient) -> None:
    made = invite(admin, "carol@lab.test")
    again = admin.post(f"{API}/invitations/{made['id']}/resend").json()
    assert again["id"] == made["id"] and again["link"] != made["link"]
    assert join(anonymous, token_of(made)) == 410
    assert join(anonymous, token_of(again)) == 303
    assert admin.post(f"{API}/invitations/{made['id']}/resend").status_code == 409
    assert admin.delete(f"{API}/invitations/{made['id']}").status_code == 409


def test_a_link_lives_seven_days(admin: TestClient, anonymous: TestClient, house: House) -> None:
    made = invite(admin, "carol@lab.test")
    with house.site.db.write() as db:
        past = utcnow() - timedelta(seconds=1)
        db.connection().execute(update(Invitation).where(col(Invitation.id) == made["id"]).values(expires_at=past))
    assert join(anonymous, token_of(made)) == 410
    assert admin.get(f"{API}/invitations", params={"state": "expired"}).json()["items"][0]["id"] == made["id"]
    again = admin.post(f"{API}/invitations/{made['id']}/resend").json()
    assert again["state"] == "pending" and timedelta(days=7) == LIFE
    assert join(anonymous, token_of(again)) == 303


def test_one_open_invitation_an_address(admin: TestClient, member: TestClient) -> None:
    invite(admin, "carol@lab.test")
    for taken in ("CAROL@lab.test", "bob@lab.test"):
        answer = admin.post(f"{API}/invitations", json={"email": taken})
        assert answer.status_code == 409 and answer.json()["errors"][0]["field"] == "email"


@pytest.mark.parametrize("email", ["", "nobody", "a b@c.test", "@lab.test", "a@", "a@b\nc.test", "x" * 250 + "@b.test"])
def test_what_is_no_address_is_refused(admin: TestClient, email: str) -> None:
    assert admin.post(f"{API}/invitations", json={"email": email}).status_code == 422


@pytest.mark.parametrize("extra", [{"organization_id": "org_x"}, {"scopes": ["admin"]}, {"state": "accepted"}])
def test_nothing_else_can_be_set(admin: TestClient, extra: dict[str, object]) -> None:
    assert admin.post(f"{API}/invitations", json={"email": "carol@lab.test", **extra}).status_code == 422


def test_members_neither_see_nor_send_invitations(admin: TestClient, member: TestClient) -> None:
    made = invite(admin, "carol@lab.test")
    assert member.get(f"{API}/invitations").status_code == 403
    assert member.get(f"{API}/invitations/{made['id']}").status_code == 403
    assert member.post(f"{API}/invitations", json={"email": "eve@lab.test", "role": "admin"}).status_code == 403


def test_a_link_never_signs_in_as_somebody_who_has_an_account(house: House, member: TestClient) -> None:
    """Whoever makes an organization can invite anybody to it, and sees the link."""
    mallory = house.member("mallory@lab.test")
    switch(mallory, create_organization(mallory, "Trap"))
    token = token_of(invite(mallory, "bob@lab.test"))
    thief = house.anonymous()
    assert "Sign in first" in thief.get("/join", params={"token": token}).text
    assert join(thief, token) == 409
    assert thief.get(f"{API}/auth/me").status_code == 401
    assert join(member, token) == 303
    assert me(member)["organization"]["name"] == "Trap"


def test_somebody_else_who_is_signed_in_cannot_use_it(admin: TestClient, member: TestClient) -> None:
    token = token_of(invite(admin, "carol@lab.test"))
    assert "For somebody else" in member.get("/join", params={"token": token}).text
    assert join(member, token) == 409


def test_who_was_removed_can_be_invited_again(admin: TestClient, house: House) -> None:
    house.person("bob@lab.test")
    admin.delete(f"{API}/members/{membership(admin, 'bob@lab.test')}")
    token = token_of(invite(admin, "bob@lab.test"))
    again = house.anonymous()
    assert join(again, token, name="Bob") == 303 and me(again)["name"] == "Bob"


def test_inviting_twice_under_one_key_invites_once(admin: TestClient) -> None:
    sent = [
        admin.post(f"{API}/invitations", json={"email": "carol@lab.test"}, headers={"Idempotency-Key": "one"})
        for _ in range(2)
    ]
    assert [a.status_code for a in sent] == [201, 201] and sent[0].json()["id"] == sent[1].json()["id"]
    assert sent[1].headers["Idempotency-Replayed"] == "true" and sent[1].json()["link"] is None


def test_the_page_hands_the_link_over_once(admin: TestClient) -> None:
    answer = admin.post("/invitations", data={"email": "carol@lab.test", "role": "member"})
    assert answer.status_code == 201 and "/join?token=" in answer.text
    wrong = admin.post("/invitations", data={"email": "carol@lab.test"})
    assert wrong.status_code == 409 and "invited already" in wrong.text


def test_members_learn_nothing_of_invitations_from_the_trail(admin: TestClient, member: TestClient) -> None:
    invite(admin, "carol@lab.test")
    assert "invitation.created" in actions_of(admin)
    assert "invitation.created" not in actions_of(member)


@pytest.mark.database
def test_who_took_an_address_first_loses_it_to_its_owner(house: House, anonymous: TestClient) -> None:
    """Anybody can make an organization, invite an address that is not theirs, and open the link."""
    mallory = house.sign_in(house.person("mallory@lab.test"))
    switch(mallory, create_organization(mallory, "Trap"))
    assert join(anonymous, token_of(invite(mallory, "ceo@lab.test"))) == 303
    assert me(anonymous)["email"] == "ceo@lab.test"
    house.person("ceo@lab.test")  # whom an administrator of the machine adds to the real organization
    assert anonymous.get(f"{API}/auth/me").status_code == 401


def squatted(house: House, email: str) -> TestClient:
    """A session as `email` of somebody who is not that person: its organization's admin opened the link themself."""
    mia = house.sign_in(house.person("mia@lab.test"))
    switch(mia, create_organization(mia, "Trap"))
    squatter = house.anonymous()
    squatter.headers.update(SAME_ORIGIN)
    assert join(squatter, token_of(invite(mia, email))) == 303
    return squatter


def signed_in_by_operator(house: House, email: str) -> TestClient:
    with house.site.db.read() as db:
        user = user_by_email(db, email)
    assert user is not None
    return house.sign_in(user)


@pytest.mark.database
def test_joining_by_the_link_ends_all_else_that_acts_under_the_address(house: House, admin: TestClient) -> None:
    squatter = squatted(house, "victim@lab.test")
    key = house.anonymous()
    text = squatter.post(f"{API}/api-keys", json={"name": "k", "scopes": []}).json()["secret"]
    key.headers["Authorization"] = f"Bearer {text}"
    assert me(key)["email"] == "victim@lab.test"
    token = token_of(invite(admin, "victim@lab.test"))
    victim = signed_in_by_operator(house, "victim@lab.test")
    assert "other sessions end" in victim.get("/join", params={"token": token}).text
    assert join(victim, token) == 303 and me(victim)["organization"]["id"] == house.home.id
    assert squatter.get(f"{API}/auth/me").status_code == 401
    assert key.get(f"{API}/auth/me").status_code == 401
    assert "api_key.revoked" not in actions_of(admin)  # that organization is none of theirs


def test_a_terminal_that_was_approved_before_gets_no_key_afterwards(house: House, admin: TestClient) -> None:
    squatter = squatted(house, "victim@lab.test")
    terminal = house.anonymous()
    device = terminal.post(f"{API}/auth/device", json={"client_id": "lattice"}).json()
    approval = {"user_code": device["user_code"], "decision": "approve", "days": "3"}
    assert squatter.post("/device", data=approval).status_code == 200
    assert join(signed_in_by_operator(house, "victim@lab.test"), token_of(invite(admin, "victim@lab.test"))) == 303
    asked = {
        "grant_type": "urn:ietf:params:oauth:grant-type:device_code", "device_code": device["device_code"],
        "client_id": "lattice",
    }  # fmt: skip
    assert terminal.post(f"{API}/auth/device/token", data=asked).json()["error"] == "access_denied"


def test_a_session_as_the_invited_address_lets_nobody_in_without_the_link(house: House, admin: TestClient) -> None:
    squatter = squatted(house, "victim@lab.test")
    made = invite(admin, "victim@lab.test")
    switch(squatter, create_organization(squatter, "Own"))  # where it is an admin
    assert squatter.get(f"{API}/invitations").json()["items"] == []
    assert squatter.get(f"{API}/invitations/{made['id']}").status_code == 404
    assert squatter.post(f"{API}/invitations/{made['id']}/resend").status_code == 404
    assert squatter.post(f"{API}/organizations/{house.home.id}/switch").status_code == 404
    assert join(squatter, made["id"]) == 410 and join(squatter, "x") == 410
    assert [o["name"] for o in squatter.get(f"{API}/organizations").json()["items"]] == ["Own", "Trap"]


def test_who_a_provider_has_vouched_for_keeps_their_sessions_and_keys(house: House, member: TestClient) -> None:
    bob = house.person("bob@lab.test")
    key, other = house.key(user=bob), house.sign_in(bob)
    with house.site.db.write() as db:
        db.add(Identity(provider="workos", subject="user_1", user_id=bob.id, created_at=utcnow()))
    ada = house.admin()
    switch(ada, create_organization(ada, "Other"))
    assert join(member, token_of(invite(ada, "bob@lab.test"))) == 303
    assert me(key)["email"] == me(other)["email"] == "bob@lab.test"


def test_the_page_names_the_command_that_lets_the_invited_person_sign_in(house: House, admin: TestClient) -> None:
    squatted(house, "$(id)@lab.test")
    page = house.anonymous().get("/join", params={"token": token_of(invite(admin, "$(id)@lab.test"))}).text
    assert "lattice admin sign-in-link --email &#39;$(id)@lab.test&#39;" in page


@pytest.mark.database
@pytest.mark.parametrize("how", ["remove", "demote"])
def test_the_links_of_who_ceases_to_be_an_admin_are_dead(house: House, admin: TestClient, how: str) -> None:
    rex = house.member("rex@lab.test", Role.ADMIN)
    theirs, mine = invite(rex, "rex2@lab.test", "admin"), invite(admin, "carol@lab.test")
    as_member = membership(admin, "rex@lab.test")
    if how == "remove":
        assert admin.delete(f"{API}/members/{as_member}").status_code == 204
    else:
        assert admin.patch(f"{API}/members/{as_member}", json={"role": "member"}).status_code == 200
    assert join(house.anonymous(), token_of(theirs)) == 410
    assert join(house.anonymous(), token_of(mine)) == 303
    assert "invitation.revoked" in actions_of(admin, theirs["id"])
    trail = admin.get(f"{API}/events", params={"subject": as_member}).json()["items"]
    assert trail[0]["data"]["invitations_revoked"] == 1


def test_sending_again_makes_it_the_invitation_of_who_has_the_link(house: House, admin: TestClient) -> None:
    rex = house.member("rex@lab.test", Role.ADMIN)
    kept, taken = invite(rex, "carol@lab.test"), invite(admin, "rex2@lab.test", "admin")
    kept = admin.post(f"{API}/invitations/{kept['id']}/resend").json()
    taken = rex.post(f"{API}/invitations/{taken['id']}/resend").json()
    assert admin.delete(f"{API}/members/{membership(admin, 'rex@lab.test')}").status_code == 204
    assert join(house.anonymous(), token_of(taken)) == 410
    assert join(house.anonymous(), token_of(kept)) == 303


def test_who_leaves_leaves_no_links_behind(house: House, admin: TestClient) -> None:
    rex = house.member("rex@lab.test", Role.ADMIN)
    token = token_of(invite(rex, "rex2@lab.test", "admin"))
    own = membership(rex)
    assert "invitations that nobody has accepted" in rex.get(f"/members/{own}").text
    assert rex.delete(f"{API}/members/{own}").status_code == 204
    assert join(house.anonymous(), token) == 410

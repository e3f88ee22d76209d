"""Members: listed, promoted, removed; the last admin stays, and who is removed is out at once."""

from __future__ import annotations

import threading

import pytest
from sqlmodel import Session, select
from starlette.testclient import TestClient

from app.accounts.members import service
from app.accounts.models import ApiKey, Membership, SignInSession
from app.accounts.queries import membership as membership_of
from app.db import utcnow
from app.events.models import Event
from app.jobs.models import Job
from app.web.action import Role
from app.web.ask import Actor
from app.web.problems import Conflict
from tests.accounts.people import API, actions_of, create_organization, me, membership, switch
from tests.conftest import House


def test_members_are_listed_searched_and_paged(admin: TestClient, house: House) -> None:
    for n in range(3):
        house.person(f"m{n}@lab.test")
    found = admin.get(f"{API}/members", params={"q": "M1@LAB"}).json()["items"]
    assert [m["email"] for m in found] == ["m1@lab.test"]
    assert [m["role"] for m in admin.get(f"{API}/members", params={"role": "admin"}).json()["items"]] == ["admin"]
    first = admin.get(f"{API}/members", params={"limit": 2}).json()
    rest = admin.get(f"{API}/members", params={"limit": 2, "cursor": first["next"]}).json()
    assert len({m["id"] for m in first["items"] + rest["items"]}) == 4 and rest["next"] is None


def test_a_percent_sign_is_looked_for_as_itself(admin: TestClient) -> None:
    assert admin.get(f"{API}/members", params={"q": "%"}).json()["items"] == []


@pytest.mark.database
def test_an_admin_promotes_and_demotes(admin: TestClient, member: TestClient) -> None:
    bob = membership(admin, "bob@lab.test")
    assert admin.patch(f"{API}/members/{bob}", json={"role": "admin"}).json()["role"] == "admin"
    assert me(member)["role"] == "admin"
    assert admin.patch(f"{API}/members/{bob}", json={"role": "member"}).json()["role"] == "member"
    assert me(member)["role"] == "member"
    assert actions_of(admin, bob).count("member.role_changed") == 2


def test_a_member_can_neither_promote_nor_remove(admin: TestClient, member: TestClient, house: House) -> None:
    house.person("eve@lab.test")
    own, eve = membership(member), membership(member, "eve@lab.test")
    assert member.patch(f"{API}/members/{own}", json={"role": "admin"}).status_code == 403
    assert member.delete(f"{API}/members/{eve}").status_code == 403


@pytest.mark.parametrize("extra", [{"organization_id": "org_x"}, {"user_id": "usr_x"}, {"scopes": ["admin"]}])
def test_a_body_can_set_the_role_alone(admin: TestClient, member: TestClient, extra: dict[str, object]) -> None:
    bob = membership(admin, "bob@lab.test")
    assert admin.patch(f"{API}/members/{bob}", json={"role": "member", **extra}).status_code == 422


@pytest.mark.database
def test_who_is_removed_is_out_at_once(admin: TestClient, house: House) -> None:
    bob = house.person("bob@lab.test")
    browser, key = house.sign_in(bob), house.key("compute:write", user=bob)
    assert admin.delete(f"{API}/members/{membership(admin, 'bob@lab.test')}").status_code == 204
    assert browser.get(f"{API}/jobs").status_code == 401
    assert key.get(f"{API}/jobs").status_code == 401
    assert browser.get("/jobs").headers["Location"].startswith("/sign-in")


def test_coming_back_does_not_revive_old_keys_and_sessions(admin: TestClient, house: House) -> None:
    bob = house.person("bob@lab.test")
    browser, key = house.sign_in(bob), house.key("compute:write", user=bob)
    admin.delete(f"{API}/members/{membership(admin, 'bob@lab.test')}")
    house.person("bob@lab.test")
    assert key.get(f"{API}/auth/me").status_code == 401
    assert browser.get(f"{API}/auth/me").status_code == 401


@pytest.mark.database
def test_the_jobs_of_who_is_removed_go_on_as_the_removers(admin: TestClient, member: TestClient) -> None:
    job = member.post(f"{API}/jobs", json={"run": "true"}).json()["id"]
    admin.delete(f"{API}/members/{membership(admin, 'bob@lab.test')}")
    found = admin.get(f"{API}/jobs/{job}").json()
    assert found["state"] == "queued" and found["owner"]["id"] == me(admin)["id"]
    assert "job.handed_over" in actions_of(admin, job)


def test_a_member_may_leave_and_their_jobs_go_to_an_admin(admin: TestClient, member: TestClient) -> None:
    job = member.post(f"{API}/jobs", json={"run": "true"}).json()["id"]
    own = membership(member)
    answer = member.post(f"/members/{own}", data={"_method": "DELETE"})
    assert answer.status_code == 303 and answer.headers["Location"] == "/"
    assert member.get(f"{API}/auth/me").status_code == 401
    assert admin.get(f"{API}/jobs/{job}").json()["owner"]["id"] == me(admin)["id"]
    assert "member.left" in actions_of(admin, own)


def test_who_leaves_stays_signed_in_where_they_still_belong(member: TestClient) -> None:
    home, other = me(member)["organization"]["id"], create_organization(member, "Other lab")
    switch(member, home)
    assert member.delete(f"{API}/members/{membership(member)}").status_code == 204
    assert me(member)["organization"]["id"] == other


@pytest.mark.parametrize("how", ["leave", "demote"])
def test_the_last_admin_stays(admin: TestClient, member: TestClient, how: str) -> None:
    own = f"{API}/members/{membership(admin)}"
    answer = admin.delete(own) if how == "leave" else admin.patch(own, json={"role": "member"})
    assert answer.status_code == 409 and "last admin" in answer.json()["detail"]
    assert me(admin)["role"] == "admin"


def test_the_page_of_the_last_admin_says_why(admin: TestClient) -> None:
    own = membership(admin)
    assert "last admin" in admin.get(f"/members/{own}").text
    assert admin.post(f"/members/{own}", data={"_method": "DELETE"}).status_code == 409


@pytest.mark.database
@pytest.mark.parametrize("how", ["remove", "demote"])
def test_two_admins_cannot_both_go_at_once(house: House, how: str) -> None:
    house.person("bob@lab.test", Role.ADMIN)
    with house.site.db.read() as db:
        admins = db.exec(select(Membership).where(Membership.role == Role.ADMIN)).all()
    assert len(admins) == 2
    together = threading.Barrier(2)
    refused: list[str] = []

    def go(member: Membership) -> None:
        together.wait()
        try:
            with house.site.db.write() as db:
                change(db, member)
        except Conflict as conflict:
            refused.append(conflict.detail)

    def change(db: Session, member: Membership) -> None:
        by = Actor.system(house.home.id)
        if how == "remove":
            service.remove(db, house.home.id, member.id, actor=by, now=utcnow())
        else:
            service.set_role(db, house.home.id, member.id, Role.MEMBER, actor=by, now=utcnow())

    threads = [threading.Thread(target=go, args=(member,)) for member in admins]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with house.site.db.read() as db:
        left = db.exec(select(Membership).where(Membership.role == Role.ADMIN)).all()
    assert len(refused) == 1 and len(left) == 1


def test_the_trail_has_the_end_of_each_session_of_a_removed_member(admin: TestClient, house: House) -> None:
    bob = house.person("bob@lab.test")
    for _ in range(2):
        house.sign_in(bob)
    with house.site.db.read() as db:
        sessions = {s.id for s in db.exec(select(SignInSession).where(SignInSession.user_id == bob.id))}
    admin.delete(f"{API}/members/{membership(admin, 'bob@lab.test')}")
    with house.site.db.read() as db:
        ended = db.exec(select(Event.subject_id, Event.actor_id).where(Event.action == "session.ended")).all()
    assert sorted(ended) == sorted((session, me(admin)["id"]) for session in sessions)


def test_nothing_of_a_removed_member_is_left_to_use(admin: TestClient, house: House) -> None:
    bob = house.person("bob@lab.test")
    house.sign_in(bob)
    house.key(user=bob)
    admin.delete(f"{API}/members/{membership(admin, 'bob@lab.test')}")
    with house.site.db.read() as db:
        assert membership_of(db, house.home.id, bob.id) is None
        assert db.exec(select(SignInSession).where(SignInSession.user_id == bob.id)).all() == []
        assert all(k.revoked_at for k in db.exec(select(ApiKey).where(ApiKey.user_id == bob.id)).all())
        assert db.exec(select(Job).where(Job.owner_id == bob.id)).all() == []

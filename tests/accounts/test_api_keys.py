"""API keys: made, used, rotated, revoked; what scopes they may have, and what they then may do."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text
from starlette.testclient import TestClient

from app.accounts import queries
from app.accounts.keys import service
from app.accounts.models import ApiKey
from app.db import utcnow
from app.site import Site
from app.web.action import Role
from app.web.ask import Actor
from tests.conftest import HOME, House
from tests.peers import wait_until

KEYS = "/api/v1/api-keys"


def made(client: TestClient, **body: object) -> dict[str, object]:
    answer = client.post(KEYS, json={"name": "ci", **body})
    assert answer.status_code == 201, answer.text
    found: dict[str, object] = answer.json()
    return found


def bearer(house: House, secret: object) -> TestClient:
    client = house.anonymous()
    client.headers["Authorization"] = f"Bearer {secret}"
    return client


@pytest.mark.database
def test_a_made_key_signs_in(house: House, admin: TestClient) -> None:
    key = made(admin, scopes=["compute:write"])
    assert str(key["secret"]).startswith("lk_") and len(str(key["secret"])) == 35
    me = bearer(house, key["secret"]).get("/api/v1/auth/me").json()
    assert me["via"] == "key" and me["scopes"] == ["compute:write"]


def test_the_key_is_shown_once_and_only_its_hash_is_stored(house: House, admin: TestClient) -> None:
    key = made(admin)
    shown = admin.get(f"{KEYS}/{key['id']}").json()
    assert "secret" not in shown and shown["prefix"] == str(key["secret"])[:8]
    database = house.site.settings.database.removeprefix("sqlite:///")
    stored = b"".join(file.read_bytes() for file in Path(database).parent.glob("lattice.db*"))
    assert str(key["secret"]).encode() not in stored


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (["  Compute:Write ", "compute:write"], ["compute:write"]),
        (["STORAGE:WRITE", "compute:write"], ["compute:write", "storage:write"]),
        ([" Admin "], ["admin"]),
        ([], []),
    ],
)
def test_scopes_are_normalized(admin: TestClient, given: list[str], kept: list[str]) -> None:
    assert made(admin, scopes=given)["scopes"] == kept


@pytest.mark.parametrize("wrong", [["compute:read"], ["admin", "compute:write"], [""], ["admin", "ADMIN", "x"]])
def test_wrong_scopes_name_the_field(admin: TestClient, wrong: list[str]) -> None:
    answer = admin.post(KEYS, json={"name": "ci", "scopes": wrong})
    assert answer.status_code == 422
    assert [e["field"] for e in answer.json()["errors"]] == ["scopes"]


def test_an_expired_key_is_dead(house: House) -> None:
    yesterday = utcnow() - timedelta(days=1)
    with house.site.db.write() as db:
        _, text = service.make_api_key(
            db,
            organization_id=house.home.id,
            user_id=house.admin_user.id,
            role=Role.ADMIN,
            name="old",
            scopes=[],
            actor=Actor.system(house.home.id),
            now=yesterday - timedelta(days=1),
            expires_at=yesterday,
        )
    assert bearer(house, text).get("/api/v1/auth/me").status_code == 401


def test_an_expiry_in_the_past_is_refused(admin: TestClient) -> None:
    answer = admin.post(KEYS, json={"name": "ci", "expires_at": "2001-01-01T00:00:00Z"})
    assert answer.status_code == 422 and answer.json()["errors"][0]["field"] == "expires_at"


def test_rotating_gives_another_secret_and_kills_the_old(house: House, admin: TestClient) -> None:
    key = made(admin)
    again = admin.post(f"{KEYS}/{key['id']}/rotate").json()
    assert again["id"] == key["id"] and again["secret"] != key["secret"]
    assert bearer(house, key["secret"]).get("/api/v1/auth/me").status_code == 401
    assert bearer(house, again["secret"]).get("/api/v1/auth/me").status_code == 200


def test_revoking_twice_is_harmless_and_final(house: House, admin: TestClient) -> None:
    key = made(admin)
    assert admin.delete(f"{KEYS}/{key['id']}").status_code == 204
    assert admin.delete(f"{KEYS}/{key['id']}").status_code == 204
    assert bearer(house, key["secret"]).get("/api/v1/auth/me").status_code == 401
    assert admin.post(f"{KEYS}/{key['id']}/rotate").status_code == 409


def test_revoking_a_key_revokes_what_it_made(house: House, admin: TestClient) -> None:
    parent = made(admin, scopes=["admin"])
    child = made(bearer(house, parent["secret"]))
    assert child["made_by_key"] == parent["id"]
    admin.delete(f"{KEYS}/{parent['id']}")
    assert bearer(house, child["secret"]).get("/api/v1/auth/me").status_code == 401


@pytest.mark.parametrize("scopes", [[], ["compute:write"], ["storage:write", "registries:write"]])
def test_only_admin_keys_make_keys(house: House, scopes: list[str]) -> None:
    answer = house.key(*scopes).post(KEYS, json={"name": "child"})
    assert answer.status_code == 403 and "admin" in answer.json()["detail"]


def test_a_member_sees_no_one_elses_key(house: House, admin: TestClient, member: TestClient) -> None:
    key = made(admin)
    assert member.get(f"{KEYS}/{key['id']}").status_code == 404
    assert member.get(KEYS, params={"owner": "all"}).json()["items"] == []


def test_an_admin_sees_all_keys_when_asking_for_them(admin: TestClient, member: TestClient) -> None:
    key = made(member)
    assert key["id"] not in [k["id"] for k in admin.get(KEYS).json()["items"]]
    assert key["id"] in [k["id"] for k in admin.get(KEYS, params={"owner": "all"}).json()["items"]]


def test_a_key_does_not_rise_with_its_owner(house: House) -> None:
    bob = house.person("bob@lab.test")
    program = house.key("admin", user=bob)
    with house.site.db.write() as db:
        membership = queries.membership(db, house.home.id, bob.id)
        assert membership is not None
        membership.role = Role.ADMIN
    assert program.get("/api/v1/auth/me").json()["role"] == "member"


def test_allowed_scopes_are_public(anonymous: TestClient) -> None:
    body = anonymous.get("/api/v1/auth/allowed-scopes").json()
    assert body["next"] is None
    assert [s["name"] for s in body["items"]] == [
        "admin", "compute:write", "nodepools:write", "storage:write", "registries:write",
    ]  # fmt: skip
    assert [s["exclusive"] for s in body["items"]] == [True, False, False, False, False]


@pytest.mark.parametrize("sent", ["lk_unknown", "nonsense", "lk_" + "x" * 5000, "lk_\xff"])
def test_a_dead_key_is_401_and_never_anonymous(anonymous: TestClient, sent: str) -> None:
    answer = anonymous.get(
        "/api/v1/auth/allowed-scopes", headers={b"Authorization": f"Bearer {sent}".encode("latin-1")}
    )
    assert answer.status_code == 401 and answer.headers["WWW-Authenticate"] == "Bearer"


def test_a_key_beside_a_cookie_counts_alone(house: House, admin: TestClient) -> None:
    assert admin.get("/api/v1/auth/me", headers={"Authorization": "Bearer lk_dead"}).status_code == 401


def test_the_form_makes_a_key_and_shows_it_once(admin: TestClient) -> None:
    answer = admin.post("/api-keys", data={"name": "laptop", "scopes": "compute:write", "expires_in_days": "30"})
    assert answer.status_code == 201 and "lk_" in answer.text


def test_the_form_says_beside_the_field_that_admin_goes_alone(admin: TestClient) -> None:
    answer = admin.post("/api-keys", data={"name": "laptop", "scopes": ["admin", "compute:write"]})
    assert answer.status_code == 422
    assert "choose it alone" in answer.text and "laptop" in answer.text


def test_last_used_is_written_down(house: House, admin: TestClient) -> None:
    key = made(admin)
    assert admin.get(f"{KEYS}/{key['id']}").json()["last_used_at"] is None
    bearer(house, key["secret"]).get("/api/v1/auth/me")
    house.app.state.touches.write()
    assert admin.get(f"{KEYS}/{key['id']}").json()["last_used_at"] is not None


def test_last_used_is_kept_while_it_can_not_be_written(
    house: House, admin: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = made(admin), made(admin)
    for key in (one, other):
        bearer(house, key["secret"]).get("/api/v1/auth/me")

    def away() -> None:
        headers = {"Authorization": f"Bearer {other['secret']}"}
        elsewhere = TestClient(house.app, base_url=HOME, client=("203.0.113.7", 1), headers=headers)
        house.clients.append(elsewhere)
        elsewhere.get("/api/v1/auth/me")  # meanwhile
        raise ConnectionError

    with monkeypatch.context() as patch:
        patch.setattr(house.site.db, "write", away)
        with pytest.raises(ConnectionError):
            house.app.state.touches.write()
    house.app.state.touches.write()
    seen = [admin.get(f"{KEYS}/{key['id']}").json()["last_used_ip"] for key in (one, other)]
    assert seen == ["testclient", "203.0.113.7"]


@pytest.mark.database
def test_a_key_that_is_revoked_meanwhile_makes_no_other(house: House, admin: TestClient) -> None:
    """What it made after that would outlive it."""
    program = house.key("admin")
    (parent,) = admin.get(KEYS).json()["items"]
    with ThreadPoolExecutor(1) as threads:
        with house.site.db.write() as db:
            key = db.get(ApiKey, parent["id"])
            assert key is not None
            service.revoke_api_key(db, key, actor=Actor.system(key.organization_id), now=utcnow())
            answer = threads.submit(program.post, KEYS, json={"name": "child"})
            wait_until(lambda: is_waiting(house.site), what="the other write to wait for this one")
        assert answer.result().status_code == 401
    assert [key["id"] for key in admin.get(KEYS).json()["items"]] == [parent["id"]]


def is_waiting(site: Site) -> bool:
    """Whether a write waits for the one that is open: for its turn, or on PostgreSQL for a row."""
    if site.db.is_sqlite:
        return site.db.waiting_writers > 0
    others = "FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    with site.db.read() as db:
        return int(db.connection().execute(text(f"SELECT count(*) {others}")).scalar_one()) > 0

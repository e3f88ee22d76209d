"""API keys over time: rotation with an overlap, where one was last used, giving one back, and attacks on them."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import update
from sqlmodel import col, select
from starlette.testclient import TestClient

from app.accounts.models import ApiKey
from app.db import utcnow
from tests.accounts.test_api_keys import KEYS, bearer, made
from tests.conftest import House

ME = "/api/v1/auth/me"


def rotated(client: TestClient, key: dict[str, object], **body: object) -> dict[str, object]:
    answer = client.post(f"{KEYS}/{key['id']}/rotate", json=body)
    assert answer.status_code == 200, answer.text
    found: dict[str, object] = answer.json()
    return found


def works(house: House, secret: object) -> bool:
    return bearer(house, secret).get(ME).status_code == 200


@pytest.mark.database
def test_the_former_text_works_through_the_overlap_and_no_longer(house: House, admin: TestClient) -> None:
    key = made(admin)
    again = rotated(admin, key, overlap="1h")
    assert works(house, key["secret"]) and works(house, again["secret"])
    with house.site.db.write() as db:
        row = db.exec(select(ApiKey).where(ApiKey.id == key["id"])).one()
        assert row.previous_ends_at is not None and row.previous_ends_at > utcnow() + timedelta(minutes=59)
        row.previous_ends_at = utcnow()
    assert not works(house, key["secret"]) and works(house, again["secret"])
    assert admin.get(f"{KEYS}/{key['id']}").json()["previous_works_until"] is None


def test_rotating_again_ends_the_former_text(house: House, admin: TestClient) -> None:
    first = made(admin)
    second = rotated(admin, first, overlap="24h")
    third = rotated(admin, first, overlap="1h")
    assert [works(house, k["secret"]) for k in (first, second, third)] == [False, True, True]
    rotated(admin, first)
    assert not works(house, second["secret"]) and not works(house, third["secret"])


def test_revoking_ends_both_texts(house: House, admin: TestClient) -> None:
    key = made(admin)
    again = rotated(admin, key, overlap="1h")
    admin.delete(f"{KEYS}/{key['id']}")
    assert not works(house, key["secret"]) and not works(house, again["secret"])


@pytest.mark.parametrize("overlap", ["25h", "-1", "soon", "86401"])
def test_an_overlap_is_at_most_a_day(admin: TestClient, overlap: str) -> None:
    answer = admin.post(f"{KEYS}/{made(admin)['id']}/rotate", json={"overlap": overlap})
    assert answer.status_code == 422 and answer.json()["errors"][0]["field"] == "overlap"


def test_the_page_rotates_with_an_overlap(house: House, admin: TestClient) -> None:
    key = made(admin)
    shown = admin.get(f"/api-keys/{key['id']}")
    assert 'name="overlap"' in shown.text
    answer = admin.post(f"/api-keys/{key['id']}/rotate", data={"overlap": "1h"})
    assert answer.status_code == 200 and "works until" in answer.text and works(house, key["secret"])


def test_an_admin_revokes_anybodys_key_but_gets_no_text_of_it(
    house: House, admin: TestClient, member: TestClient
) -> None:
    key = made(member)
    answer = admin.post(f"{KEYS}/{key['id']}/rotate")
    assert answer.status_code == 403 and "owner" in answer.json()["detail"]
    assert "rotate-key" not in admin.get(f"/api-keys/{key['id']}").text
    assert admin.delete(f"{KEYS}/{key['id']}").status_code == 204
    assert not works(house, key["secret"])


def test_a_key_rotates_itself_and_what_it_made_and_no_other(house: House, admin: TestClient) -> None:
    program = house.key("admin")
    own = next(k["id"] for k in admin.get(f"{KEYS}").json()["items"])
    made = program.post(f"{KEYS}", json={"name": "made"}).json()["id"]
    other = admin.post(f"{KEYS}", json={"name": "other", "scopes": ["admin"]}).json()["id"]
    assert program.post(f"{KEYS}/{other}/rotate").status_code == 403
    assert program.post(f"{KEYS}/{made}/rotate").status_code == 200
    assert program.post(f"{KEYS}/{own}/rotate").status_code == 200


def test_an_expired_key_is_not_rotated(house: House, admin: TestClient) -> None:
    key = admin.post(f"{KEYS}", json={"name": "old", "expires_in_days": 1}).json()["id"]
    with house.site.db.write() as db:
        db.connection().execute(update(ApiKey).where(col(ApiKey.id) == key).values(expires_at=utcnow()))
    assert admin.post(f"{KEYS}/{key}/rotate").status_code == 409


def test_where_a_key_was_last_used_is_shown(house: House, admin: TestClient) -> None:
    key = made(admin)
    works(house, key["secret"])
    house.app.state.touches.write()
    assert admin.get(f"{KEYS}/{key['id']}").json()["last_used_ip"] == "testclient"
    assert "testclient" in admin.get(f"/api-keys/{key['id']}").text


@pytest.mark.parametrize("scopes", [[], ["compute:write"]])
def test_a_key_gives_itself_back_whatever_its_scopes(house: House, admin: TestClient, scopes: list[str]) -> None:
    program = bearer(house, made(admin, scopes=scopes)["secret"])
    assert program.delete("/api/v1/auth/key").status_code == 204
    assert program.get(ME).status_code == 401


def test_a_browser_has_no_key_to_give_back(admin: TestClient) -> None:
    assert admin.delete("/api/v1/auth/key").status_code == 409


@pytest.mark.parametrize("path", ["/api/v1/auth/me", "/jobs", "/api/v1/auth/allowed-scopes"])
def test_a_key_in_the_address_is_refused(house: House, admin: TestClient, path: str) -> None:
    secret = made(admin)["secret"]
    for client in (house.anonymous(), bearer(house, secret)):
        answer = client.get(path, params={"api_key": str(secret)})
        assert answer.status_code == 400 and "Authorization" in answer.text and str(secret) not in answer.text


@pytest.mark.parametrize("name", ["a\r\nSet-Cookie: x=1", "a\nb", "a\x00b", "a\u2028b", "\x1b[2J"])
def test_a_name_carries_no_line_into_a_header_or_a_terminal(admin: TestClient, name: str) -> None:
    answer = admin.post(KEYS, json={"name": name})
    assert answer.status_code == 422 and "set-cookie" not in answer.headers


@pytest.mark.parametrize("field", ["role", "organization_id", "user_id", "digest", "made_by_key", "revoked_at"])
def test_what_a_key_is_made_of_is_not_taken_from_the_body(admin: TestClient, field: str) -> None:
    answer = admin.post(KEYS, json={"name": "ci", field: "admin"})
    assert answer.status_code == 422 and answer.json()["errors"][0]["field"] == field

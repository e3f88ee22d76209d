"""Device sign-in (RFC 8628): a terminal asks, a person decides, the terminal fetches one API key."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlmodel import select
from starlette.testclient import TestClient

from app.accounts.devices import codes
from app.accounts.devices.models import DeviceSignIn
from app.accounts.models import Membership
from app.db import utcnow
from tests.conftest import House

START, TOKEN = "/api/v1/auth/device", "/api/v1/auth/device/token"
GRANT = "urn:ietf:params:oauth:grant-type:device_code"


def begun(client: TestClient, **fields: object) -> dict[str, str]:
    answer = client.post(START, json={"client_id": "lattice", "host": "laptop", **fields})
    assert answer.status_code == 200, answer.text
    found: dict[str, str] = answer.json()
    return found


def polled(client: TestClient, device: dict[str, str], **fields: str) -> tuple[int, str]:
    sent = {"grant_type": GRANT, "device_code": device["device_code"], "client_id": "lattice", **fields}
    answer = client.post(TOKEN, data=sent)
    body = answer.json()
    return answer.status_code, body.get("error") or body["access_token"]


def decide(client: TestClient, device: dict[str, str], decision: str = "approve", **fields: object) -> int:
    code = device["user_code"]
    sent = {"user_code": code, "decision": decision, "scopes[]": ["compute:write"], "days": "7", **fields}
    return client.post("/device", params={"user_code": code}, data=sent).status_code


def row_of(house: House, device: dict[str, str]) -> DeviceSignIn:
    with house.site.db.read() as db:
        code = device["user_code"].replace("-", "")
        return db.exec(select(DeviceSignIn).where(DeviceSignIn.user_code == code)).one()


def aged(house: House, device: dict[str, str], **ago: float) -> None:
    """Let the sign-in's codes end that long ago."""
    row = row_of(house, device)
    with house.site.db.write() as db:
        row.expires_at = utcnow() - timedelta(**ago)
        db.add(row)


@pytest.mark.database
def test_a_terminal_is_let_in(house: House, anonymous: TestClient, member: TestClient) -> None:
    device = begun(anonymous)
    assert polled(anonymous, device) == (400, "authorization_pending")
    assert decide(member, device) == 200
    sent = {"grant_type": GRANT, "device_code": device["device_code"], "client_id": "lattice"}
    answer = anonymous.post(TOKEN, data=sent)
    token = answer.json()
    assert token["token_type"] == "Bearer" and token["scope"] == "compute:write" and token["expires_in"] == 7 * 86_400
    assert token["name"] == "lattice login on laptop" and answer.headers["Cache-Control"] == "no-store"
    anonymous.headers["Authorization"] = f"Bearer {token['access_token']}"
    me = anonymous.get("/api/v1/auth/me").json()
    assert me["email"] == "bob@lab.test" and me["scopes"] == ["compute:write"] and me["role"] == "member"
    assert member.get(f"/api/v1/api-keys/{token['key_id']}").json()["name"] == "lattice login on laptop"


def test_what_it_is_told_is_the_rfcs(anonymous: TestClient) -> None:
    device = anonymous.post(START, data={"client_id": "lattice"}).json()
    assert set(device) == {
        "device_code", "user_code", "verification_uri", "verification_uri_complete", "expires_in", "interval",
    }  # fmt: skip
    assert device["expires_in"] == 600 and device["interval"] == 5
    assert device["verification_uri_complete"] == f"{device['verification_uri']}?user_code={device['user_code']}"


def test_the_key_is_fetched_once(anonymous: TestClient, member: TestClient) -> None:
    device = begun(anonymous)
    decide(member, device)
    assert polled(anonymous, device)[0] == 200
    assert polled(anonymous, device) == (400, "invalid_grant")


@pytest.mark.database
def test_a_terminal_that_hurries_is_slowed_down(house: House, anonymous: TestClient) -> None:
    device = begun(anonymous)
    assert [polled(anonymous, device)[1] for _ in range(3)] == ["authorization_pending", "slow_down", "slow_down"]
    assert row_of(house, device).interval == 15


def test_a_denied_terminal_gets_nothing(anonymous: TestClient, member: TestClient) -> None:
    device = begun(anonymous)
    assert decide(member, device, "deny") == 200
    assert polled(anonymous, device) == (400, "access_denied")
    assert decide(member, device) == 422


def test_codes_end_after_ten_minutes(house: House, anonymous: TestClient, member: TestClient) -> None:
    device = begun(anonymous)
    left = row_of(house, device).expires_at - utcnow()
    assert timedelta(minutes=9) < left <= timedelta(minutes=10)
    aged(house, device, seconds=1)
    assert polled(anonymous, device) == (400, "expired_token")
    assert decide(member, device) == 422
    assert "No terminal waits" in member.get("/device", params={"user_code": device["user_code"]}).text


def test_an_approval_not_fetched_in_time_is_void(house: House, anonymous: TestClient, member: TestClient) -> None:
    device = begun(anonymous)
    decide(member, device)
    aged(house, device, seconds=1)
    assert polled(anonymous, device) == (400, "expired_token")


def test_whoever_approved_and_was_removed_lets_nobody_in(
    house: House, anonymous: TestClient, member: TestClient
) -> None:
    device = begun(anonymous)
    decide(member, device)
    with house.site.db.write() as db:
        for membership in db.exec(select(Membership).where(Membership.user_id == row_of(house, device).user_id)):
            db.delete(membership)
    assert polled(anonymous, device) == (400, "access_denied")


@pytest.mark.parametrize(
    ("sent", "error"),
    [
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({"device_code": ""}, "invalid_request"),
        ({"client_id": "other"}, "invalid_grant"),
        ({"device_code": "guessed"}, "invalid_grant"),
    ],
)
def test_wrong_polls_are_told_why_in_oauths_words(anonymous: TestClient, sent: dict[str, str], error: str) -> None:
    device = begun(anonymous)
    assert polled(anonymous, device, **sent) == (400, error)


def test_an_error_is_a_problem_document_too(anonymous: TestClient) -> None:
    answer = anonymous.post(TOKEN, json={"grant_type": GRANT, "device_code": "x", "client_id": "y"})
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["detail"] == answer.json()["error_description"]


@pytest.mark.parametrize(
    ("sent", "status", "error"),
    [
        ({"client_id": ""}, 400, "invalid_request"),
        ({"scope": "launch"}, 400, "invalid_scope"),
        ({"scope": "admin compute:write"}, 400, "invalid_scope"),
        ({"days": 366}, 422, None),
        ({"host": "a\nb"}, 422, None),
        ({"client_id": "x" * 61}, 422, None),
        ({"unknown": "ignored"}, 200, None),
    ],
)
def test_wrong_requests_are_refused(anonymous: TestClient, sent: dict[str, object], status: int, error: str) -> None:
    answer = anonymous.post(START, json={"client_id": "lattice", **sent})
    assert answer.status_code == status and answer.json().get("error") == error


def test_other_content_types_are_refused(anonymous: TestClient) -> None:
    answer = anonymous.post(START, content=b"client_id: x", headers={"Content-Type": "application/yaml"})
    assert answer.status_code == 415


def test_the_page_shows_who_asks_and_what_for(anonymous: TestClient, member: TestClient) -> None:
    anonymous.headers["User-Agent"] = "lattice/9 <b>bold</b>"
    device = begun(anonymous, host="<script>x</script>", scope="storage:write", days=3)
    text = member.get("/device", params={"user_code": device["user_code"].lower()}).text
    assert "testclient" in text and "lattice/9 &lt;b&gt;" in text and "<script>x" not in text
    assert "checked" in text.split('value="storage:write"')[1][:80]
    assert "checked" not in text.split('value="compute:write"')[1][:80]
    assert 'value="3"' in text


def test_scopes_are_those_of_a_job_unless_chosen_otherwise(house: House, anonymous: TestClient) -> None:
    default = row_of(house, begun(anonymous))
    assert (default.scopes, default.days) == ("compute:write,storage:write", 30)
    assert row_of(house, begun(anonymous, scope="")).scopes == ""


def test_admin_goes_alone_on_the_page(anonymous: TestClient, member: TestClient) -> None:
    device = begun(anonymous)
    code = device["user_code"]
    sent = {"user_code": code, "decision": "approve", "scopes[]": ["admin", "compute:write"], "days": "7"}
    answer = member.post("/device", params={"user_code": code}, data=sent)
    assert answer.status_code == 422 and "choose it alone" in answer.text
    assert polled(anonymous, device) == (400, "authorization_pending")


def test_nobody_decides_without_signing_in(anonymous: TestClient, house: House) -> None:
    device = begun(anonymous)
    code = device["user_code"]
    assert house.anonymous().get(f"/device?user_code={code}").headers["Location"].startswith("/sign-in?next=%2Fdevice")
    assert house.anonymous().post("/device", data={"user_code": code, "decision": "approve"}).status_code == 303
    assert polled(anonymous, device) == (400, "authorization_pending")


def test_no_key_and_no_other_site_decides(house: House, anonymous: TestClient, member: TestClient) -> None:
    device = begun(anonymous)
    sent = {"user_code": device["user_code"], "decision": "approve"}
    assert house.key("admin").post("/device", data=sent).status_code == 403
    assert house.key("compute:write").post("/device", data=sent).status_code == 403
    assert member.post("/device", data=sent, headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
    assert polled(anonymous, device) == (400, "authorization_pending")


def test_only_digests_of_device_codes_are_stored(house: House, anonymous: TestClient) -> None:
    device = begun(anonymous)
    assert device["device_code"] not in str(row_of(house, device).model_dump())


def test_user_codes_are_hard_to_misread_and_to_guess() -> None:
    found = {codes.new_user_code() for _ in range(500)}
    assert len(found) == 500 and not set("".join(found)) & set("AEIOUY0123456789")
    assert len(codes.ALPHABET) ** codes.LENGTH > 2.5e10


@pytest.mark.parametrize(
    ("typed", "code"),
    [("wdjb-mjht", "WDJBMJHT"), (" WDJB MJHT ", "WDJBMJHT"), ("WDJB", None), ("WDJA-MJHT", None), ("ß" * 8, None)],
)
def test_a_code_is_read_however_it_is_typed(typed: str, code: str | None) -> None:
    assert codes.normal(typed) == code


def test_who_let_which_terminal_in_is_in_the_trail(anonymous: TestClient, member: TestClient) -> None:
    device = begun(anonymous)
    decide(member, device)
    polled(anonymous, device)
    done = [e["action"] for e in member.get("/api/v1/events").json()["items"]]
    assert "device.approved" in done and "api_key.created" in done

"""Writes with a cookie come from our own pages, or are not carried out."""

from __future__ import annotations

import pytest
from starlette.testclient import TestClient

from tests.conftest import House

KEYS = "/api/v1/api-keys"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-Fetch-Site": "same-origin"}, 201),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "none"}, 403),
        ({"Sec-Fetch-Site": "cross-site", "Origin": "http://localhost"}, 403),
        ({"Origin": "http://localhost"}, 201),
        ({"Origin": "https://localhost"}, 403),
        ({"Origin": "http://localhost:8000"}, 403),
        ({"Origin": "http://localhost.evil.test"}, 403),
        ({"Origin": "null"}, 403),
        ({}, 403),
    ],
)
def test_a_cookie_writes_from_our_origin_only(house: House, headers: dict[str, str], status: int) -> None:
    browser = house.admin()
    del browser.headers["Sec-Fetch-Site"]
    assert browser.post(KEYS, json={"name": "x"}, headers=headers).status_code == status


def test_a_key_needs_no_origin(house: House) -> None:
    assert house.key("admin").post(KEYS, json={"name": "x"}).status_code == 201


def test_sign_in_from_another_site_is_refused(anonymous: TestClient) -> None:
    answer = anonymous.post("/sign-in", data={"token": "x", "name": "x"}, headers={"Sec-Fetch-Site": "cross-site"})
    assert answer.status_code == 403


def test_a_form_of_another_organization_is_409(admin: TestClient) -> None:
    answer = admin.post("/api-keys", data={"name": "x", "_organization": "org_another"})
    assert answer.status_code == 409


@pytest.mark.parametrize("host", ["evil.test", "localhost.evil.test", "", "localhost:80:80", "localhost:80@evil.test"])
def test_an_unknown_host_is_refused(anonymous: TestClient, host: str) -> None:
    assert anonymous.get("/healthz", headers={"Host": host}).status_code == 400


@pytest.mark.parametrize("host", ["localhost", "localhost:8000", "127.0.0.1:8000", "[::1]:8000", "10.1.2.3"])
def test_known_hosts_and_addresses_are_served(anonymous: TestClient, host: str) -> None:
    assert anonymous.get("/healthz", headers={"Host": host}).status_code == 200


def test_every_answer_has_the_security_headers(anonymous: TestClient) -> None:
    for path in ("/healthz", "/sign-in", "/api/v1/nothing", "/static/nothing.css"):
        headers = anonymous.get(path).headers
        assert "script-src 'self'" in headers["Content-Security-Policy"]
        assert "unsafe" not in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"


def test_method_override_is_for_forms_and_posts_only(admin: TestClient) -> None:
    key = admin.post(KEYS, json={"name": "x"}).json()
    assert admin.get(f"/api-keys/{key['id']}?_method=DELETE").status_code == 200
    assert admin.post(f"{KEYS}/{key['id']}", json={"_method": "DELETE"}).status_code == 405
    assert admin.post(f"/api-keys/{key['id']}", data={"_method": "DELETE"}).status_code == 303
    assert admin.get(f"{KEYS}/{key['id']}").json()["revoked_at"]

"""What tests of members, invitations and organizations say often."""

from __future__ import annotations

from typing import Any

from starlette.testclient import TestClient

API = "/api/v1"


def me(client: TestClient) -> dict[str, Any]:
    answer = client.get(f"{API}/auth/me")
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def membership(client: TestClient, email: str | None = None) -> str:
    """The membership id of that address, or of whoever asks, in the organization that `client` acts in."""
    wanted = me(client)["id"]
    items = client.get(f"{API}/members", params={"limit": 200}).json()["items"]
    return next(str(m["id"]) for m in items if (m["email"] == email if email else m["user_id"] == wanted))


def invite(client: TestClient, email: str, role: str = "member") -> dict[str, Any]:
    answer = client.post(f"{API}/invitations", json={"email": email, "role": role})
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def token_of(invitation: dict[str, Any]) -> str:
    return str(invitation["link"]).partition("token=")[2]


def join(client: TestClient, token: str, name: str = "Carol") -> int:
    headers = {"Sec-Fetch-Site": "same-origin"}
    return client.post(
        "/join", params={"token": token}, data={"token": token, "name": name}, headers=headers
    ).status_code


def create_organization(client: TestClient, name: str) -> str:
    answer = client.post(f"{API}/organizations", json={"name": name})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def switch(client: TestClient, organization_id: str) -> None:
    answer = client.post(f"{API}/organizations/{organization_id}/switch")
    assert answer.status_code == 200, answer.text


def actions_of(client: TestClient, subject: str = "") -> list[str]:
    """What the audit trail says, newest first."""
    params = {"subject": subject, "limit": "200"} if subject else {"limit": "200"}
    return [e["action"] for e in client.get(f"{API}/events", params=params).json()["items"]]

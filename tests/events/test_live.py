"""Live streams: what happens arrives, a resumed stream misses nothing, and a dead principal's stream ends."""

from __future__ import annotations

import json

import httpx2

from tests.peers.server import Server
from tests.sse import frames

LIVE = "/api/v1/live"


def make_key(client: httpx2.Client, name: str) -> str:
    answer = client.post("/api/v1/api-keys", json={"name": name})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def test_a_change_arrives_and_a_resumed_stream_misses_none(server: Server) -> None:
    admin = server.with_key("admin")
    with admin.stream("GET", LIVE, params={"topics": "api_key"}) as answer:
        coming = frames(answer.iter_lines())
        assert next(coming)["event"] == "ready"
        first = make_key(admin, "one")
        seen = next(coming)
        assert seen["event"] == "api_key" and json.loads(seen["data"])["subject_id"] == first
    missed = [make_key(admin, "two"), make_key(admin, "three")]
    with admin.stream("GET", LIVE, params={"topics": "api_key"}, headers={"Last-Event-ID": seen["id"]}) as answer:
        coming = frames(answer.iter_lines())
        next(coming)
        assert [json.loads(next(coming)["data"])["subject_id"] for _ in missed] == missed


def test_a_revoked_key_ends_its_stream(server: Server) -> None:
    admin = server.with_key("admin")
    made = admin.post("/api/v1/api-keys", json={"name": "watcher"}).json()
    watcher = server.client(Authorization=f"Bearer {made['secret']}")
    with watcher.stream("GET", LIVE) as answer:
        coming = frames(answer.iter_lines())
        next(coming)
        admin.delete(f"/api/v1/api-keys/{made['id']}")
        assert all(frame["event"] != "ready" for frame in coming)  # and so it ended


def test_a_removed_members_stream_ends(server: Server) -> None:
    admin = server.signed_in("Ada")
    invited = admin.post("/api/v1/invitations", json={"email": "bob@lab.test"}).json()
    token = invited["link"].partition("token=")[2]
    bob = server.client(**{"Sec-Fetch-Site": "same-origin"})
    assert bob.post("/join", data={"token": token, "name": "Bob"}).status_code == 303
    member = bob.get("/api/v1/members", params={"q": "bob"}).json()["items"][0]
    with bob.stream("GET", LIVE) as answer:
        coming = frames(answer.iter_lines())
        next(coming)
        assert admin.delete(f"/api/v1/members/{member['id']}").status_code == 204
        assert all(frame["event"] != "ready" for frame in coming)


def test_nobody_gets_no_stream(server: Server) -> None:
    assert server.client().get(LIVE).status_code == 401


def test_a_stream_ends_when_its_session_goes_to_another_organization(server: Server) -> None:
    """It told of the first one, and its person may be removed from there without the session's end."""
    browser = server.signed_in()
    with browser.stream("GET", LIVE) as answer:
        coming = frames(answer.iter_lines())
        next(coming)
        other = browser.post("/api/v1/organizations", json={"name": "Other"}).json()
        assert browser.post(f"/api/v1/organizations/{other['id']}/switch").status_code == 200
        assert all(frame["event"] != "ready" for frame in coming)  # and so it ended


def test_head_of_a_stream_is_answered_and_over(server: Server) -> None:
    answer = server.with_key().head(LIVE)
    assert answer.status_code == 200 and answer.headers["Content-Type"].startswith("text/event-stream")

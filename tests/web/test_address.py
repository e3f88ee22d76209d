"""Where a request came from: what the connection says, whatever it claims, unless a proxy that is believed says so."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest
from starlette.testclient import TestClient

from tests.conftest import HOME, House
from tests.peers.server import Server, ServerMaker

EVENTS = "/api/v1/events"
KEYS = "/api/v1/api-keys"
CLAIM = {"X-Forwarded-For": "203.0.113.9"}


def address_of_a_change(client: httpx2.Client | TestClient, **headers: str) -> Any:
    made = client.post(KEYS, json={"name": "ci"}, headers=headers)
    assert made.status_code == 201, made.text
    return client.get(EVENTS, params={"subject": made.json()["id"]}).json()["items"][0]["ip"]


def test_nobody_is_believed_at_first_not_even_this_machine(server: Server) -> None:
    assert address_of_a_change(server.with_key("admin"), **CLAIM) == "127.0.0.1"


@pytest.mark.parametrize("named", ["127.0.0.1", "127.0.0.0/24, 192.0.2.1"])
def test_a_proxy_that_is_named_is_believed_of_whom_it_saw(new_server: ServerMaker, named: str) -> None:
    server = new_server(FORWARDED_ALLOW_IPS=named)
    server.start()
    assert address_of_a_change(server.with_key("admin"), **CLAIM) == "203.0.113.9"
    chosen = {"X-Forwarded-For": "198.51.100.7, 203.0.113.9"}
    assert address_of_a_change(server.with_key("admin"), **chosen) == "203.0.113.9"


@pytest.mark.database
def test_an_address_longer_than_any_is_cut(house: House) -> None:
    key = house.key("admin")
    client = TestClient(house.app, base_url=HOME, client=("x" * 300, 1), headers=dict(key.headers))
    house.clients.append(client)
    assert address_of_a_change(client) == "x" * 45

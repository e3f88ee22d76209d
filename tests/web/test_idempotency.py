"""`Idempotency-Key`: a create that is sent twice makes one thing."""

from __future__ import annotations

import threading

import pytest
from starlette.testclient import TestClient

from tests.accounts.people import create_organization, switch
from tests.conftest import House

JOBS = "/api/v1/jobs"
BODY = {"name": "once", "run": "true"}


def post(client: TestClient, key: str, body: dict[str, object] | None = None) -> tuple[int, dict[str, object], bool]:
    answer = client.post(JOBS, json=body or BODY, headers={"Idempotency-Key": key})
    return answer.status_code, answer.json(), answer.headers.get("Idempotency-Replayed") == "true"


@pytest.mark.database
def test_the_second_time_answers_with_the_first_thing(house: House) -> None:
    client = house.key("compute:write")
    status, first, replayed = post(client, "a")
    assert status == 201 and not replayed
    status, second, replayed = post(client, "a")
    assert status == 201 and replayed and second["id"] == first["id"]
    assert len(client.get(JOBS).json()["items"]) == 1


def test_a_replay_shows_the_thing_as_it_is_now(house: House) -> None:
    client = house.key("compute:write")
    _, job, _ = post(client, "a")
    client.post(f"{JOBS}/{job['id']}/stop")
    assert post(client, "a")[1]["state"] == "stopped"


def test_another_body_under_the_same_key_is_422(house: House) -> None:
    client = house.key("compute:write")
    post(client, "a")
    assert post(client, "a", {"run": "false"})[0] == 422


def test_keys_belong_to_their_principal(house: House) -> None:
    first, second = house.key("compute:write"), house.key("compute:write")
    assert post(first, "a")[1]["id"] != post(second, "a")[1]["id"]


@pytest.mark.parametrize("key", ["", "x" * 201])
def test_a_wrong_key_is_400(house: House, key: str) -> None:
    assert post(house.key("compute:write"), key)[0] == 400


def test_a_replay_never_shows_a_secret(house: House) -> None:
    client = house.key("admin")
    headers = {"Idempotency-Key": "a"}
    first = client.post("/api/v1/api-keys", json={"name": "x"}, headers=headers).json()
    again = client.post("/api/v1/api-keys", json={"name": "x"}, headers=headers)
    assert first["secret"] and "secret" not in again.json() and again.json()["id"] == first["id"]


def test_a_create_that_failed_can_be_tried_again(house: House) -> None:
    client = house.key("compute:write")
    assert post(client, "a", {"run": ""})[0] == 422
    assert post(client, "a")[0] == 201


@pytest.mark.database
def test_many_at_once_make_one(house: House) -> None:
    client = house.key("compute:write")
    found: list[tuple[int, dict[str, object], bool]] = []
    threads = [threading.Thread(target=lambda: found.append(post(client, "a"))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {status for status, _, _ in found} == {201}
    assert len({job["id"] for _, job, _ in found}) == 1
    assert sum(not replayed for _, _, replayed in found) == 1


def test_keys_belong_to_the_organization_that_a_session_acts_in(house: House, admin: TestClient) -> None:
    first = post(admin, "a")[1]
    other = create_organization(admin, "Other")
    switch(admin, other)
    status, second, replayed = post(admin, "a")
    assert not replayed and status != 404 and second.get("id") != first["id"]

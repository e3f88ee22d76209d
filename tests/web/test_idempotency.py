"""`Idempotency-Key`: a create that is sent twice makes one thing."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from starlette.testclient import TestClient

from app.web.idempotency import Claim
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


@pytest.mark.database
def test_many_relays_at_once_make_one(house: House, admin: TestClient) -> None:
    """A relay is no transaction: the others are told to look, or are answered with what was made."""
    start = threading.Barrier(4)

    def create(_: int) -> tuple[int, bool]:
        start.wait()
        answer = admin.post("/api/v1/organizations", json={"name": "Acme"}, headers={"Idempotency-Key": "a"})
        return answer.status_code, "Idempotency-Replayed" in answer.headers

    with ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(create, range(4)))
    assert answers.count((201, False)) == 1 and set(answers) <= {(201, False), (201, True), (409, False)}
    names = [entry["name"] for entry in admin.get("/api/v1/organizations").json()["items"]]
    assert names.count("Acme") == 1


def test_a_relay_that_was_cut_off_is_not_done_again(admin: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Claim, "end", lambda *_, **__: None)  # as if the server was killed before it
    headers = {"Idempotency-Key": "a"}
    assert admin.post("/api/v1/organizations", json={"name": "Acme"}, headers=headers).status_code == 201
    again = admin.post("/api/v1/organizations", json={"name": "Acme"}, headers=headers)
    assert again.status_code == 409 and "look whether its thing is there" in again.json()["detail"]


def test_a_relay_that_was_refused_can_be_tried_again(admin: TestClient) -> None:
    headers, path = {"Idempotency-Key": "a"}, "/api/v1/invitations"
    taken = admin.post(path, json={"email": "ada@lab.test"}).json()
    assert admin.post(path, json={"email": "ada@lab.test"}, headers=headers).status_code == 409
    admin.delete(f"{path}/{taken['id']}")
    assert admin.post(path, json={"email": "ada@lab.test"}, headers=headers).status_code == 201

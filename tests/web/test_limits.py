"""Limits by principal and by address: refused with when to try again, shared by replicas, without a write a request."""

from __future__ import annotations

from unittest.mock import patch

import pytest
from starlette.testclient import TestClient

from app.settings import Settings, SettingsError
from app.web.action import Limit
from app.web.limits import Limits, address_of
from app.web.problems import Unavailable
from app.web.rates import SharedCounts, Window
from app.web.streaming import OpenStreams
from tests.conftest import House

KEYS = "/api/v1/api-keys"
ME = "/api/v1/auth/me"


@pytest.fixture
def settings(settings: Settings) -> Settings:
    limits = ("writes=3/hour", "key-failures=2/hour", "sign-in=2/hour", "user-codes=2/hour", "log-searches=2/hour")
    return settings.model_copy(update={"lattice_rate_limits": limits})


def statuses(client: TestClient, method: str, path: str, times: int, **request: object) -> list[int]:
    return [client.request(method, path, **request).status_code for _ in range(times)]  # type: ignore[arg-type]


def test_searches_of_logs_are_bounded(house: House) -> None:
    assert statuses(house.key(), "GET", "/api/v1/jobs/job_none/log-matches?q=x", 3) == [404, 404, 429]


def test_writes_of_one_key_are_bounded_and_another_goes_on(house: House) -> None:
    busy, calm = house.key("admin"), house.key("admin")
    assert statuses(busy, "POST", KEYS, 4, json={"name": "ci"}) == [201, 201, 201, 429]
    assert busy.get(ME).status_code == 200
    assert calm.post(KEYS, json={"name": "ci"}).status_code == 201


def test_a_refusal_says_when_to_try_again(house: House) -> None:
    busy = house.key("admin")
    first = busy.post(KEYS, json={"name": "ci"})
    assert first.headers["RateLimit-Policy"] == '"writes";q=3;w=3600'
    assert first.headers["RateLimit"].startswith('"writes";r=2;t=')
    statuses(busy, "POST", KEYS, 2, json={"name": "ci"})
    refused = busy.post(KEYS, json={"name": "ci"})
    assert refused.headers["Content-Type"] == "application/problem+json"
    assert 0 < int(refused.headers["Retry-After"]) <= 3600
    assert refused.headers["RateLimit"].startswith('"writes";r=0;') and "3 in 3,600 s" in refused.json()["detail"]


def test_dead_keys_are_bounded_by_address_and_live_ones_are_not(house: House) -> None:
    dead = house.anonymous()
    dead.headers["Authorization"] = "Bearer lk_" + "x" * 32
    assert statuses(dead, "GET", ME, 3) == [401, 401, 429]
    assert house.key().get(ME).status_code == 200


def test_tries_to_sign_in_are_bounded(anonymous: TestClient) -> None:
    found = statuses(
        anonymous, "POST", "/sign-in", 3, data={"token": "x", "name": "y"}, headers={"Sec-Fetch-Site": "same-origin"}
    )
    assert found == [410, 410, 429]


def test_guessing_user_codes_is_bounded(member: TestClient) -> None:
    assert statuses(member, "GET", "/device?user_code=BBBB-BBBB", 3) == [200, 200, 429]
    assert statuses(member, "POST", "/device", 1, data={"user_code": "BBBB-BBBB", "decision": "approve"}) == [429]


@pytest.fixture
def replicas(house: House) -> tuple[Limits, Limits]:
    """Two that share the database."""
    return Limits(house.site.db, ["writes=4/hour"]), Limits(house.site.db, ["writes=4/hour"])


def remaining(limits: Limits) -> str:
    return limits.count(Limit.WRITES, identity="key_x", ip="")["RateLimit"].split(";")[1]


@pytest.mark.database
def test_limits_hold_across_replicas(replicas: tuple[Limits, Limits]) -> None:
    here, there = replicas
    assert [remaining(here), remaining(there)] == ["r=3", "r=3"]
    here.counts.sync()
    there.counts.sync()
    here.counts.incr("other/x/1/1/hour", 3600)
    assert remaining(there) == "r=1"
    there.counts.sync()
    remaining(here)
    here.counts.sync()
    assert here.counts.get("writes/key_x/4/1/hour") == 4


def test_an_ordinary_request_is_counted_without_a_write(house: House) -> None:
    limits = Limits(house.site.db, ["writes=60000/minute"])
    with patch.object(house.site.db, "write", side_effect=AssertionError("it writes")):
        remaining(limits)
        limits.counts.sync()


@pytest.mark.database
def test_a_window_that_ended_is_forgotten(house: House) -> None:
    now = [1000.0]
    counts = SharedCounts(house.site.db, {}, clock=lambda: now[0])
    assert [counts.incr("a", 60), counts.incr("a", 60)] == [1, 2]
    assert counts.get_expiry("a") == 1020
    counts.sync()
    now[0] = 1020
    assert counts.get("a") == 0 and counts.incr("a", 60) == 1
    counts.sync()
    assert counts.reset() == 1


def test_those_for_whom_no_window_is_left_are_counted_together(house: House) -> None:
    now = [1000.0]
    counts = SharedCounts(house.site.db, {}, clock=lambda: now[0], most=2)
    assert [counts.incr(f"sign-in/{who}", 60) for who in ("a", "b", "c", "d", "a")] == [1, 1, 1, 2, 2]
    assert [counts.get(f"sign-in/{who}") for who in ("a", "b", "e")] == [2, 1, 2]
    assert counts.get("device-codes/e") == 0 and counts.incr("device-codes/e", 60) == 1
    assert counts.get_expiry("sign-in/e") == 1020
    now[0] = 1020
    counts.sync()
    assert counts.get("sign-in/e") == 0 and counts.incr("sign-in/e", 60) == 1


def test_a_count_that_could_not_be_shared_is_shared_later(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    counts = SharedCounts(house.site.db, {})
    counts.incr("a", 3600)
    with monkeypatch.context() as broken:
        broken.setattr(house.site.db, "write", lambda: (_ for _ in ()).throw(OSError("gone")))
        with pytest.raises(OSError, match="gone"):
            counts.sync()
    counts.sync()
    other = SharedCounts(house.site.db, {})
    other.incr("a", 3600)
    other.sync()
    assert other.get("a") == 2


@pytest.mark.parametrize(
    ("ip", "counted"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8::1", "2001:db8::/64"),
        ("2001:db8::ffff", "2001:db8::/64"),
        ("testclient", "testclient"),
    ],
)
def test_what_counts_as_one_address(ip: str, counted: str) -> None:
    assert address_of(ip) == counted


WRONG = (
    "reads=1/minute", "writes=often", "writes", "writes=0/minute", "writes=1/minute;2/hour",
    "writes=1/1000 years",
)  # fmt: skip


@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_limit_is_named(house: House, wrong: str) -> None:
    with pytest.raises(SettingsError, match="LATTICE_RATE_LIMITS"):
        Limits(house.site.db, [wrong])


def test_a_window_adds_what_others_counted() -> None:
    assert Window(ends_at=1, here=2, elsewhere=3).total == 5


def test_streams_of_one_person_are_bounded(house: House) -> None:
    streams = house.app.state.house.streams
    entered = [streams.enter(house.admin_user.id) for _ in range(streams.of_one)]
    refused = house.key().get("/api/v1/live")
    assert refused.status_code == 429 and "Retry-After" in refused.headers
    entered.pop().leave()
    streams.enter(house.admin_user.id).leave()


def test_streams_of_everybody_are_bounded() -> None:
    streams = OpenStreams(in_all=2)
    first, _ = streams.enter("a"), streams.enter("b")
    with pytest.raises(Unavailable):
        streams.enter("c")
    first.leave()
    streams.enter("c")


def test_no_stream_begins_at_a_server_that_ends_and_those_that_are_open_are_told() -> None:
    streams = OpenStreams()
    first, second = streams.enter("a"), streams.enter("b")
    second.leave()
    streams.end()
    assert (first.ending.is_set(), second.ending.is_set()) == (True, False)
    with pytest.raises(Unavailable, match="stopping"):
        streams.enter("c")

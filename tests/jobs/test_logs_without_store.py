"""A store that fails or hangs is said to do so, and keeps up nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import anyio.to_thread
import httpx2
import pytest
from starlette.testclient import TestClient

from app.db import POOL_SIZE
from app.jobs import actions, logs
from app.site import Site
from app.web.peer import Peer
from tests.conftest import HOME, House
from tests.jobs.log_scenes import JOBS, LINES, placed
from tests.jobs.stores import FailingStore, HeldStore
from tests.sse import frames

READS = (
    "logs",
    "logs?tail=5",
    "logs?offset=3",
    "logs?download=1",
    "logs?follow=1",
    "logs?follow=1&tail=2",
    "log-matches?q=line",
)
AT_ONCE = 8
UNREAD = "The log can&#39;t be read now"


@pytest.fixture
def held(house: House, job_id: str) -> Iterator[HeldStore]:
    store = HeldStore(house.site)
    yield store
    store.let_go.set()


@pytest.mark.parametrize("read", READS)
def test_a_store_that_fails_is_a_problem_with_a_sentence(
    house: House, client: TestClient, job_id: str, read: str, caplog: pytest.LogCaptureFixture
) -> None:
    FailingStore(house.site)
    answer = client.get(f"{JOBS}/{job_id}/{read}")
    assert answer.status_code == 503 and answer.headers["Retry-After"] == "5"
    assert answer.json()["detail"] == "The store of the logs can't be read now; try again."
    assert [record.message for record in caplog.records if record.name == "lattice.web"] == ["the store failed"]


def test_what_needs_no_store_is_answered_without_it(house: House, client: TestClient, job_id: str) -> None:
    FailingStore(house.site)
    assert client.get(f"{JOBS}/{job_id}").json()["state"] == "succeeded"
    assert client.get(f"{JOBS}/{job_id}/logs?attempt=2").status_code == 422


def test_the_page_says_that_the_log_can_not_be_read(house: House, admin: TestClient, job_id: str) -> None:
    assert "line 99" in admin.get(f"/jobs/{job_id}").text
    FailingStore(house.site)
    page = admin.get(f"/jobs/{job_id}")
    assert page.status_code == 200 and UNREAD in page.text
    assert "Task as YAML" in page.text and "data-log-view" not in page.text


def test_the_page_does_not_wait_for_a_store_that_hangs(
    held: HeldStore, admin: TestClient, job_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(actions, "TAIL_SECONDS", 0.05)
    page = admin.get(f"/jobs/{job_id}")
    assert page.status_code == 200 and UNREAD in page.text


def test_the_page_of_a_job_without_output_asks_no_store(house: House, client: TestClient, admin: TestClient) -> None:
    made = placed(house.site, client)
    FailingStore(house.site)
    assert "Nothing has been written yet" in admin.get(f"/jobs/{made}").text


@pytest.mark.parametrize("fails", [False, True])
def test_a_mistake_in_the_pages_form_is_shown_on_it(house: House, admin: TestClient, job_id: str, fails: bool) -> None:
    if fails:
        FailingStore(house.site)
    answer = admin.post(f"/jobs/{job_id}", data={"_method": "PATCH", "name": "no name\x00"})
    assert answer.status_code == 422 and answer.headers["HX-Replace-Url"] == f"/jobs/{job_id}"
    assert (UNREAD in answer.text) is fails and ("line 99" in answer.text) is not fails


def test_a_store_that_hangs_is_given_up(
    house: House, held: HeldStore, client: TestClient, job_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(house.site, "store", Peer("The store of the logs", seconds=0.05))
    answer = client.get(f"{JOBS}/{job_id}/logs")
    assert answer.status_code == 503 and "did not answer in time" in answer.json()["detail"]


def test_a_download_that_the_store_breaks_off_says_so(
    house: House, client: TestClient, job_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "PIECE", 100)
    FailingStore(house.site, left=2)
    answer = client.get(f"{JOBS}/{job_id}/logs?download=1")
    said = b"\n[Lattice: the log can't be read from byte 200 on now; try again]\n"
    assert answer.status_code == 200 and answer.content == LINES[:200] + said


def test_a_follower_that_the_store_breaks_off_comes_back(house: House, client: TestClient, job_id: str) -> None:
    store = house.site.logs.store
    FailingStore(house.site, left=1)
    cut = client.get(f"{JOBS}/{job_id}/logs?follow=1")
    assert cut.status_code == 200 and cut.text == ""
    house.site.logs.store = store
    assert list(frames(client.get(f"{JOBS}/{job_id}/logs?follow=1").iter_lines()))[-1]["event"] == "end"


def test_others_are_served_while_the_store_hangs(
    house: House, held: HeldStore, client: TestClient, job_id: str
) -> None:
    """More reads than there are threads and connections wait for the store; who asks for something else does not."""
    anyio.run(_others_are_served, house, held, client.headers["Authorization"], f"{JOBS}/{job_id}")


async def _others_are_served(house: House, held: HeldStore, key: str, job: str) -> None:
    anyio.to_thread.current_default_thread_limiter().total_tokens = POOL_SIZE
    transport = httpx2.ASGITransport(house.app)
    async with httpx2.AsyncClient(transport=transport, base_url=HOME, headers={"Authorization": key}) as http:
        paths = [f"{job}/logs", f"{job}/log-matches?q=line"] * POOL_SIZE
        reads = [asyncio.ensure_future(http.get(path)) for path in paths]
        for _ in range(AT_ONCE):
            await asyncio.get_running_loop().run_in_executor(None, held.asked.acquire)
        for _ in range(3):
            assert (await http.get("/api/v1/auth/me")).status_code == 200
        assert not any(read.done() for read in reads)
        assert _connections(house.site) < AT_ONCE  # none is held; threads of the server use one now and then
        assert not held.asked.acquire(blocking=False)  # no more at once than the store has threads
        held.let_go.set()
        assert {answer.status_code for answer in await asyncio.gather(*reads)} == {200}


def _connections(site: Site) -> int:
    """How many are in use."""
    pool = site.db.engine.pool
    return pool.checkedout()  # type: ignore[attr-defined, no-any-return]

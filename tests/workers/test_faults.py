"""Engines that are down, slow to start a job, or refuse it: the rows say so, and the rest goes on."""

from __future__ import annotations

import pytest

from app.engines.protocol import EngineError
from app.jobs.models import JobState
from app.pools.models import NodePool, PoolState
from app.site import Site
from app.workers.scheduler import LEAST_FREE_DISK
from tests.jobs.rows import Home, attempts, stop, submit
from tests.workers.hands import Hands
from tests.workers.meddling import Meddling


@pytest.fixture
def meddling(hands: Hands) -> Meddling:
    return Meddling(hands.engine)


@pytest.fixture
def troubled(site: Site, meddling: Meddling) -> Hands:
    return Hands(site, meddling.as_engine)


def pool_of(site: Site, home: Home) -> NodePool:
    with site.db.read() as db:
        pool = db.get(NodePool, home.pool_id)
        assert pool is not None
        return pool


def down() -> None:
    raise EngineError("the machine does not answer")


def refuse() -> None:
    raise EngineError("this is not possible here", retry=False)


def test_an_engine_that_is_down_makes_its_pool_unreachable_until_it_answers(
    site: Site, home: Home, troubled: Hands, meddling: Meddling
) -> None:
    job_id = submit(site, home, "true")
    troubled.scheduler.round()
    meddling.before["find"] = down
    with pytest.raises(EngineError):
        troubled.reconciler.round()
    pool = pool_of(site, home)
    assert (pool.state, pool.fault) == (PoolState.UNREACHABLE, "the machine does not answer")
    waiting = submit(site, home, "true")
    troubled.scheduler.round()
    assert troubled.job(waiting).reason_code == "pool_unreachable"
    del meddling.before["find"]
    troubled.until_ended(job_id, waiting)
    assert pool_of(site, home).state is PoolState.OPEN


def test_a_job_that_can_not_be_started_now_says_so_and_is_tried_again(
    site: Site, home: Home, troubled: Hands, meddling: Meddling
) -> None:
    job_id = submit(site, home, "true")
    meddling.before["submit"] = down
    troubled.turn()
    job = troubled.job(job_id)
    assert job.state is JobState.STARTING and "the machine does not answer" in job.reason_args
    del meddling.before["submit"]
    troubled.until_ended(job_id)
    assert len(attempts(site, job_id)) == 1


def test_a_job_that_the_engine_refuses_fails_and_says_why(
    site: Site, home: Home, troubled: Hands, meddling: Meddling
) -> None:
    job_id = submit(site, home, "true")
    meddling.before["submit"] = refuse
    (job,) = troubled.until_ended(job_id)
    assert (job.state, job.reason_code) == (JobState.FAILED, "not_started")
    assert "this is not possible here" in job.reason_args


def test_one_stop_that_can_not_be_passed_on_keeps_no_other_job_back(
    site: Site, home: Home, troubled: Hands, meddling: Meddling
) -> None:
    stuck = submit(site, home, "exec sleep 600")
    troubled.until_state(stuck, JobState.RUNNING)
    meddling.before["stop"] = down
    stop(site, home, stuck)
    other = submit(site, home, "true")
    troubled.until_ended(other)
    assert troubled.job(stuck).state is JobState.RUNNING
    del meddling.before["stop"]
    troubled.until_ended(stuck)


def test_nothing_is_placed_on_a_full_disk(
    site: Site, home: Home, hands: Hands, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(site.datadir), "free_fraction", lambda _: (LEAST_FREE_DISK - 1) / 100)
    job_id = submit(site, home, "true")
    hands.reconciler.round()
    hands.scheduler.round()
    job = hands.job(job_id)
    assert (job.state, job.reason_code) == (JobState.QUEUED, "disk_low")

"""Engines that are down, slow to start a job, or refuse it: the rows say so, and the rest goes on."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace

import pytest
from sqlalchemy import update
from sqlmodel import col

from app.db import utcnow
from app.engines.protocol import EngineError
from app.jobs.models import ATTEMPT, SECRET, JobState
from app.jobs.states import FINAL
from app.pools.disk import LEAST_FREE
from app.pools.models import NodePool, PoolState
from app.site import Site
from app.stores.logs import LogState
from app.stores.objects import StoreError
from app.workers import lease
from app.workers.lease import LeaseLost
from app.workers.models import Lease
from app.workers.scheduler import SILENCE, Scheduler
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


@pytest.mark.database
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


@pytest.mark.database
def test_what_failed_to_start_is_forgotten_when_it_is_stopped_or_refused(
    site: Site, home: Home, troubled: Hands, meddling: Meddling
) -> None:
    stopped, refused = submit(site, home, "true"), submit(site, home, "true")
    meddling.before["submit"] = down
    troubled.turn()
    assert len(troubled.reconciler._failed) == 2
    stop(site, home, stopped)
    meddling.before["submit"] = refuse
    troubled.until_ended(stopped, refused)
    troubled.turn()
    assert troubled.reconciler._failed == {}


def test_a_job_that_the_engine_refuses_fails_and_says_why(
    site: Site, home: Home, troubled: Hands, meddling: Meddling
) -> None:
    job_id = submit(site, home, "true")
    meddling.before["submit"] = refuse
    (job,) = troubled.until_ended(job_id)
    assert (job.state, job.reason_code) == (JobState.FAILED, "not_started")
    assert "this is not possible here" in job.reason_args


def test_a_job_that_surprises_the_engine_keeps_no_other_back(
    site: Site, home: Home, troubled: Hands, meddling: Meddling
) -> None:
    odd = submit(site, home, "true")
    troubled.scheduler.round()
    meddling.before["submit"] = surprise
    troubled.reconciler.round()
    del meddling.before["submit"]
    other = submit(site, home, "true")
    troubled.until_ended(odd, other)


def surprise() -> None:
    raise RecursionError("maximum recursion depth exceeded")


def test_folders_that_can_not_be_removed_keep_no_others_there(
    site: Site, home: Home, troubled: Hands, meddling: Meddling, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_ids = [submit(site, home, "true") for _ in range(2)]
    troubled.until_ended(*job_ids)
    with site.db.write() as db:
        db.connection().execute(update(ATTEMPT).values(closed_at=utcnow() - timedelta(days=30)))
    monkeypatch.setattr("app.workers.machines.SWEEP", 1)
    meddling.before["discard"] = down
    later = Hands(site, meddling.as_engine)
    later.reconciler.round()
    monkeypatch.setattr("app.workers.machines.SWEEP_EVERY", timedelta())
    del meddling.before["discard"]
    later.reconciler.round()
    assert [bool(attempt.discarded_at) for job_id in job_ids for attempt in attempts(site, job_id)] == [False, True]


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
    free = LEAST_FREE - 1
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(total=100, used=100 - free, free=free))
    job_id = submit(site, home, "true")
    hands.reconciler.round()
    hands.scheduler.round()
    job = hands.job(job_id)
    assert (job.state, job.reason_code) == (JobState.QUEUED, "disk_low")


def test_an_engine_that_answers_nonsense_is_a_fault_too(
    site: Site, home: Home, troubled: Hands, meddling: Meddling
) -> None:
    job_id = submit(site, home, "true")
    troubled.turn()
    meddling.before["observe"] = nonsense
    with pytest.raises(ValueError, match="not an answer"):
        troubled.reconciler.round()
    assert pool_of(site, home).fault == "its engine failed: ValueError: not an answer"
    del meddling.before["observe"]
    troubled.again().until_ended(job_id)
    assert pool_of(site, home).fault == ""


def nonsense() -> None:
    raise ValueError("not an answer")


def test_a_log_that_can_not_be_stored_keeps_its_job_open_and_no_other_back(
    site: Site, home: Home, hands: Hands, monkeypatch: pytest.MonkeyPatch
) -> None:
    stuck = submit(site, home, "echo stuck")
    append = site.logs.append

    def full_for_one(job_id: str, state: LogState, data: bytes, limit: int) -> LogState:
        if job_id == stuck:
            raise StoreError("no space left on the disk")
        return append(job_id, state, data, limit)

    with monkeypatch.context() as patch:
        patch.setattr(site.logs, "append", full_for_one)
        other = submit(site, home, "echo other")
        hands.until_ended(other)
        hands.until(lambda: attempts(site, stuck)[0].finished_at, "its end is known")
        assert hands.job(stuck).state not in FINAL
        hands.until(lambda: hands.job(stuck).reason_code == "log_waits", "it says so")
        assert "no space left on the disk" in hands.job(stuck).reason_args
    (ended,) = hands.until_ended(stuck)
    assert (ended.state, ended.reason_code) == (JobState.SUCCEEDED, None)
    assert hands.log(stuck) == "stuck\n"


@pytest.mark.database
@pytest.mark.parametrize("taken", [False, True])
def test_what_a_slow_round_found_counts_unless_another_host_took_the_lease(
    site: Site, home: Home, hands: Hands, monkeypatch: pytest.MonkeyPatch, taken: bool
) -> None:
    job_id = submit(site, home, "echo said")
    append = site.logs.append

    def slow(job_id: str, state: LogState, data: bytes, limit: int) -> LogState:
        let_lease_run_out(site, home, taken_by="another" if taken else None)
        return append(job_id, state, data, limit)

    monkeypatch.setattr(lease, "RENEW_BELOW", 2 * lease.SECONDS)  # as if the time had passed
    monkeypatch.setattr(site.logs, "append", slow)
    if taken:
        with pytest.raises(LeaseLost, match="taken by the host another"):
            hands.until(lambda: False, "a round that has output")
        assert hands.log(job_id) == ""
    else:
        hands.until(lambda: hands.log(job_id) == "said\n", "its output")


def let_lease_run_out(site: Site, home: Home, *, taken_by: str | None) -> None:
    with site.db.write() as db:
        mine = col(Lease.name) == f"pool/{home.pool_id}"
        db.execute(update(Lease).where(mine).values(expires_at=utcnow() - timedelta(seconds=1)))
    if taken_by:
        assert lease.take(site.db, f"pool/{home.pool_id}", taken_by)


@pytest.mark.database
def test_a_secret_whose_key_is_gone_fails_its_job_alone(site: Site, home: Home, hands: Hands) -> None:
    bad, good = submit(site, home, "true", secrets={"TOKEN": "s"}), submit(site, home, "true")
    with site.db.write() as db:
        db.connection().execute(update(SECRET).values(fingerprint="0" * 16))
    failed, succeeded = hands.until_ended(bad, good)
    assert (failed.state, failed.reason_code) == (JobState.FAILED, "not_started")
    assert succeeded.state is JobState.SUCCEEDED


@pytest.mark.database
def test_a_pool_whose_server_is_silent_is_unreachable_until_it_is_back(
    site: Site, home: Home, hands: Hands, monkeypatch: pytest.MonkeyPatch
) -> None:
    hands.reconciler.round()
    with site.db.write() as db:
        db.execute(update(Lease).values(expires_at=utcnow() - 2 * SILENCE))
    hands.scheduler = Scheduler(site, lambda _: None)
    hands.scheduler.round()
    assert pool_of(site, home).state is PoolState.OPEN
    monkeypatch.setattr(hands.scheduler, "_began", utcnow() - 2 * SILENCE)
    monkeypatch.setattr(hands.scheduler, "_listened", utcnow() - SILENCE)
    hands.scheduler.round()
    pool = pool_of(site, home)
    assert pool.state is PoolState.UNREACHABLE and "not been heard of since" in pool.fault
    hands.again().reconciler.round()
    assert pool_of(site, home).state is PoolState.OPEN

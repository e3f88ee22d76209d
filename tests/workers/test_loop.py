"""Workers live on after a failed round, hear a wake-up, and leave beats."""

from __future__ import annotations

import logging
import time
from datetime import timedelta

import pytest

from app.db import Database, utcnow
from app.workers.loop import Workers, beats, is_due
from app.workers.models import WorkerBeat
from tests.workers.counting import Rounds, Stuck


@pytest.mark.database
def test_a_failed_round_does_not_end_the_worker(db: Database, caplog: pytest.LogCaptureFixture) -> None:
    worker = Rounds(failing=1)
    workers = Workers(db, "host", [worker])
    with caplog.at_level(logging.ERROR):
        workers.start()
        assert worker.reaches(2)
        workers.stop()
    assert "the worker counter failed 1 times in a row" in caplog.text


def test_a_wake_up_begins_a_round_at_once(db: Database) -> None:
    worker = Rounds(pause=1.0)
    workers = Workers(db, "host", [worker])
    workers.start()
    for count in range(1, 6):
        assert worker.reaches(count)
        workers.wake("counter")
    workers.stop()


def test_waking_a_worker_that_lives_elsewhere_is_no_error(db: Database) -> None:
    Workers(db, "host", []).wake("scheduler")


@pytest.mark.database
def test_a_round_leaves_a_beat(db: Database) -> None:
    worker, began = Rounds(pause=0), utcnow()
    with db.write() as session:
        session.add(WorkerBeat(name="host/counter", at=began - timedelta(hours=1)))
    workers = Workers(db, "host", [worker])
    workers.start()
    assert worker.reaches(2)
    workers.stop()
    with db.read() as session:
        assert beats(session)["host/counter"] >= began


@pytest.mark.parametrize(("ago", "due"), [(61, True), (60, True), (59, False), (0, False), (-3600, True)])
def test_what_is_done_now_and_then_is_due_after_a_while_or_when_the_clock_went_back(ago: int, due: bool) -> None:
    now = utcnow()
    assert is_due(now - timedelta(seconds=ago), now, timedelta(seconds=60)) is due


def test_workers_that_do_not_end_are_waited_for_together(db: Database) -> None:
    stuck = [Stuck(f"stuck-{n}") for n in range(5)]
    workers = Workers(db, "host", stuck)
    workers.start()
    assert all(worker.reaches(1) for worker in stuck)
    began = time.monotonic()
    workers.stop(0.5)
    assert time.monotonic() - began < 2.0
    for worker in stuck:
        worker.free.set()
    workers.stop()


@pytest.mark.database
def test_a_worker_that_a_server_has_no_more_is_not_silent(db: Database) -> None:
    old = utcnow() - timedelta(hours=1)
    with db.write() as session:
        session.add_all([WorkerBeat(name="host/directory", at=old), WorkerBeat(name="other/directory", at=old)])
    workers = Workers(db, "host", [])
    workers.start()
    workers.stop()
    with db.read() as session:
        assert list(beats(session)) == ["other/directory"]

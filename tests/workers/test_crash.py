"""A server that is killed between two steps: the job runs once, its log is whole, and a stop is never lost."""

from __future__ import annotations

import os
import re
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest
from sqlalchemy import text

from app.db import Database
from app.jobs.models import JobState
from app.site import Site
from app.stores.objects import StoreError
from app.workers import lease
from tests.conftest import House
from tests.jobs.rows import Home, attempts, stop, submit, totals
from tests.peers import wait_until
from tests.workers.hands import Hands
from tests.workers.meddling import Killed, Meddling, kill

LINES = "".join(f"line {n}\n" for n in range(200))
PRINT = "for n in $(seq 0 199); do echo line $n; done"


@pytest.fixture
def meddling(hands: Hands) -> Meddling:
    return Meddling(hands.engine)


@pytest.fixture
def doomed(site: Site, meddling: Meddling) -> Hands:
    """Workers over an engine that a test can make die."""
    return Hands(site, meddling.as_engine)


@pytest.fixture
def counter() -> Iterator[Path]:
    """Where each run of a job adds a line, whichever user it runs as; pytest's own folders are closed to others."""
    with tempfile.TemporaryDirectory(prefix="lattice-proof-") as name:
        Path(name).chmod(0o755)
        file = Path(name) / "runs"
        file.touch()
        file.chmod(0o666)
        yield file


def test_killed_after_placing_and_before_submitting(site: Site, home: Home, hands: Hands, counter: Path) -> None:
    job_id = submit(site, home, f"echo ran >> {counter}; {PRINT}")
    hands.scheduler.round()
    hands.again().until_ended(job_id)
    assert counter.read_text() == "ran\n" and hands.log(job_id) == LINES


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("call", ["find", "submit", "observe", "read_log"])
def test_killed_around_a_call(
    site: Site, home: Home, hands: Hands, doomed: Hands, meddling: Meddling, counter: Path, call: str, moment: str
) -> None:
    job_id = submit(site, home, f"echo ran >> {counter}; {PRINT}")
    getattr(meddling, moment)[call] = kill
    with pytest.raises(Killed):
        doomed.until_ended(job_id)
    hands.again().until_ended(job_id)
    assert counter.read_text() == "ran\n" and hands.log(job_id) == LINES
    assert len(attempts(site, job_id)) == 1 and totals(site) == {JobState.SUCCEEDED: 1}


@pytest.mark.database
def test_killed_between_storing_log_and_row_again_and_again(
    site: Site, home: Home, hands: Hands, counter: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = submit(site, home, f"echo ran >> {counter}; {PRINT.replace('done', 'sleep 0.002; done')}")
    hands.until_state(job_id, JobState.RUNNING)
    for _ in range(10):
        with monkeypatch.context() as patch:
            patch.setattr(lease, "check", lambda *_: kill())
            with pytest.raises(Killed):
                hands.until(lambda: False, "the next round's transaction")
        hands = hands.again()
        hands.reconciler.round()
    hands.until_ended(job_id)
    assert counter.read_text() == "ran\n" and hands.log(job_id) == LINES


@pytest.mark.database
def test_a_stop_that_comes_while_the_worker_holds_the_row(
    site: Site, home: Home, hands: Hands, doomed: Hands, meddling: Meddling
) -> None:
    job_id = submit(site, home, "echo up; exec sleep 600")

    def stop_once() -> None:
        del meddling.after["observe"]
        stop(site, home, job_id)

    meddling.after["observe"] = stop_once
    (job,) = doomed.until_ended(job_id)
    assert job.state is JobState.STOPPED


@pytest.mark.database
def test_a_stop_that_comes_while_the_job_goes_back_to_the_queue(
    site: Site, home: Home, doomed: Hands, meddling: Meddling
) -> None:
    wants = {"cpus": 0.1, "memory": 0.1, "job_recovery": "failover"}
    job_id = submit(site, home, "exit 75", resources=wants)
    meddling.after["read_log"] = lambda: stop(site, home, job_id)
    (job,) = doomed.until_ended(job_id)
    assert job.state is JobState.STOPPED and len(attempts(site, job_id)) == 1


@pytest.mark.database
def test_a_stop_waits_for_the_row_and_finds_the_job_as_the_worker_leaves_it(
    site: Site, home: Home, hands: Hands, monkeypatch: pytest.MonkeyPatch
) -> None:
    wants = {"cpus": 0.1, "memory": 0.1, "job_recovery": "failover"}
    job_id = submit(site, home, "exit 75", resources=wants)
    stopper = Thread(target=stop, args=(site, home, job_id))

    def not_told(*_: object) -> bool:
        """The worker has locked the row and seen no stop; one comes before it lets go."""
        stopper.start()
        wait_until(lambda: is_waited_for(site.db), what="the stop at the row")
        return False

    monkeypatch.setattr("app.workers.outcome._Known._is_told", not_told)
    hands.until(lambda: stopper.ident, "the attempt's end")
    stopper.join()
    assert hands.job(job_id).state is JobState.STOPPED and len(attempts(site, job_id)) == 1


def is_waited_for(db: Database) -> bool:
    """Whether somebody waits to write what another has locked."""
    if db.engine.dialect.name == "sqlite":
        return db.waiting_writers > 0
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    with db.read() as session:
        return bool(session.connection().execute(text(waiting)).scalar_one())


@pytest.mark.database
def test_a_stop_that_comes_before_the_engine_knows_of_the_job(site: Site, home: Home, hands: Hands) -> None:
    job_id = submit(site, home, "echo never")
    hands.scheduler.round()
    assert hands.job(job_id).state is JobState.STARTING
    stop(site, home, job_id)
    (job,) = hands.until_ended(job_id)
    assert job.state is JobState.STOPPED and hands.log(job_id) == ""


@pytest.mark.database
def test_nothing_is_applied_by_who_has_lost_the_lease(site: Site, home: Home, hands: Hands) -> None:
    job_id = submit(site, home, "true")
    hands.scheduler.round()
    hands.reconciler.round()
    lease.take(site.db, f"pool/{home.pool_id}", site.datadir.host_id)
    with pytest.raises(lease.LeaseLost):
        hands.until_ended(job_id)
    assert hands.job(job_id).state in {JobState.STARTING, JobState.RUNNING}
    hands.again().until_ended(job_id)


def test_an_attempt_that_vanished_fails_with_that_reason(site: Site, home: Home, hands: Hands) -> None:
    job_id = submit(site, home, "exec sleep 600")
    hands.until_state(job_id, JobState.RUNNING)
    lose(site, job_id)
    (job,) = hands.again().until_ended(job_id)
    assert (job.state, job.reason_code) == (JobState.FAILED, "machine_lost")


def test_a_killed_supervisor_is_told_as_what_it_is(site: Site, home: Home, house: House, hands: Hands) -> None:
    job_id = submit(site, home, "exec sleep 600")
    hands.until_state(job_id, JobState.RUNNING)
    lose(site, job_id)
    hands.until_ended(job_id)
    job = house.key().get(f"/api/v1/jobs/{job_id}").json()
    why = "lost on node: its supervisor vanished; its container restarted, or somebody killed it"
    assert (job["reason"], job["attempts"][0]["end_reason"]) == (why, why)


def test_an_attempt_that_vanished_is_followed_by_another_where_recovery_allows_it(
    site: Site, home: Home, hands: Hands
) -> None:
    wants = {"cpus": 0.1, "memory": 0.1, "job_recovery": "failover"}
    job_id = submit(site, home, "echo one; exec sleep 600", resources=wants)
    hands.until(lambda: hands.log(job_id) == "one\n", "its first line")
    lose(site, job_id)
    moved = hands.again()
    moved.until(lambda: moved.log(job_id) == "one\none\n", "the second attempt's line")
    assert [a.number for a in attempts(site, job_id)] == [1, 2]
    stop(site, home, job_id)
    moved.until_ended(job_id)


def test_an_attempt_whose_folder_is_removed_fails_with_that_reason(site: Site, home: Home, hands: Hands) -> None:
    job_id = submit(site, home, "exec sleep 600")
    hands.until_state(job_id, JobState.RUNNING)
    supervisor, folder = supervisor_of(site, job_id)
    shutil.rmtree(folder)
    os.kill(supervisor, signal.SIGKILL)
    (job,) = hands.until_ended(job_id)
    assert (job.state, job.reason_code) == (JobState.FAILED, "machine_lost") and job.started_at


def test_an_attempt_whose_folder_is_removed_is_ended_by_a_stop_too(site: Site, home: Home, hands: Hands) -> None:
    job_id = submit(site, home, "echo up; exec sleep 600")
    hands.until(lambda: hands.log(job_id) == "up\n", "its first line")
    shutil.rmtree(supervisor_of(site, job_id)[1])
    stop(site, home, job_id)
    (job,) = hands.until_ended(job_id)
    assert job.reason_code == "machine_lost" and hands.log(job_id) == "up\n"


def test_an_attempt_that_ended_before_its_folder_was_removed_keeps_its_end(
    site: Site, home: Home, hands: Hands, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = submit(site, home, "echo up; exit 3")
    with monkeypatch.context() as patch:
        patch.setattr(site.logs, "append", full)
        hands.until(lambda: [a for a in attempts(site, job_id) if a.finished_at], "its end is known, its log not")
    shutil.rmtree(supervisor_of(site, job_id)[1])
    (job,) = hands.again().until_ended(job_id)
    assert (job.reason_code, job.exit_code) == ("exited", 3)


def full(*_: object) -> None:
    raise StoreError("no space left on the disk")


def lose(site: Site, job_id: str) -> None:
    """Kill the attempt's supervisor, as a container that restarts does."""
    os.kill(supervisor_of(site, job_id)[0], signal.SIGKILL)


def supervisor_of(site: Site, job_id: str) -> tuple[int, Path]:
    """Its process, and the folder in which it writes."""
    (attempt,) = attempts(site, job_id)
    folder = site.datadir.path / "local" / "attempts" / attempt.id
    return int(re.findall(r"^pid (\d+)$", (folder / "claim").read_text(), re.MULTILINE)[0]), folder

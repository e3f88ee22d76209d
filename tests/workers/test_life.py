"""The life of a job from the queue to its end, with the real engine and workers moved by hand."""

from __future__ import annotations

import pytest

from app.engines.protocol import EndCause
from app.jobs.models import JobState
from app.site import Site
from app.workers import scheduler
from tests.jobs.rows import Home, attempts, stop, submit, totals
from tests.workers.hands import Hands

pytestmark = pytest.mark.database


def test_a_job_runs_and_succeeds_with_its_whole_log(site: Site, home: Home, hands: Hands) -> None:
    job_id = submit(site, home, "echo hello from $LATTICE_JOB_ID")
    (job,) = hands.until_ended(job_id)
    assert (job.state, job.exit_code, job.reason_code) == (JobState.SUCCEEDED, 0, None)
    assert job.started_at and job.finished_at and job.created_at <= job.started_at <= job.finished_at
    assert hands.log(job_id) == f"hello from {job_id}\n"
    (attempt,) = attempts(site, job_id)
    assert attempt.closed_at and attempt.cause is EndCause.EXITED and attempt.number == 1
    assert totals(site) == {JobState.SUCCEEDED: 1}


def test_a_job_that_fails_says_so(site: Site, home: Home, hands: Hands) -> None:
    job_id = submit(site, home, "echo before; exit 3")
    (job,) = hands.until_ended(job_id)
    assert (job.state, job.exit_code, job.reason_code) == (JobState.FAILED, 3, "exited")


def test_secrets_reach_the_job_and_nothing_else(site: Site, home: Home, hands: Hands) -> None:
    job_id = submit(site, home, 'test "$TOKEN" = "s3cret" && echo ok', secrets={"TOKEN": "s3cret"})
    hands.until_ended(job_id)
    assert hands.log(job_id) == "ok\n"


def test_a_running_job_is_stopped(site: Site, home: Home, hands: Hands) -> None:
    job_id = submit(site, home, "echo up; sleep 600")
    hands.until_state(job_id, JobState.RUNNING)
    assert stop(site, home, job_id)
    (job,) = hands.until_ended(job_id)
    assert (job.state, job.reason_code) == (JobState.STOPPED, "stopped")


def test_a_second_stop_is_at_once(site: Site, home: Home, hands: Hands) -> None:
    job_id = submit(site, home, "trap '' TERM; echo up; while :; do sleep 0.1; done", stop={"grace": "10m"})
    hands.until(lambda: hands.log(job_id) == "up\n", "its trap is set")
    assert stop(site, home, job_id)
    hands.until_state(job_id, JobState.STOPPING)
    assert stop(site, home, job_id)
    (job,) = hands.until_ended(job_id)
    assert job.state is JobState.STOPPED
    assert not stop(site, home, job_id)


def test_exit_code_75_runs_again_where_recovery_allows_it(site: Site, home: Home, hands: Hands) -> None:
    run = "f=$LATTICE_CHECKPOINT_DIR/saved; if [ -e $f ]; then echo resumed; else touch $f; echo saved; exit 75; fi"
    job_id = submit(site, home, run, resources={"cpus": 0.1, "memory": 0.1, "job_recovery": "failover"})
    (job,) = hands.until_ended(job_id)
    assert job.state is JobState.SUCCEEDED
    assert [a.exit_code for a in attempts(site, job_id)] == [75, 0]
    assert hands.log(job_id) == "saved\nresumed\n"


def test_exit_code_75_fails_without_recovery(site: Site, home: Home, hands: Hands) -> None:
    job_id = submit(site, home, "exit 75")
    (job,) = hands.until_ended(job_id)
    assert (job.state, job.reason_code) == (JobState.FAILED, "saved")


def test_max_duration_ends_a_job(site: Site, home: Home, hands: Hands) -> None:
    job_id = submit(site, home, "sleep 600", max_duration="1s")
    (job,) = hands.until_ended(job_id)
    assert (job.state, job.reason_code) == (JobState.FAILED, "timed_out")


def test_what_fits_is_found_behind_a_long_line_of_what_does_not(
    site: Site, home: Home, hands: Hands, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scheduler, "WINDOW", 2)
    holder = submit(site, home, "sleep 60", resources={"accelerators": "H100:8", "cpus": 0.1, "memory": 0.1})
    hands.until_state(holder, JobState.RUNNING)
    blocked = [
        submit(site, home, "true", resources={"accelerators": "H100:1", "cpus": 0.1, "memory": 0.1}) for _ in range(6)
    ]
    fitting = submit(site, home, "true")
    hands.until_ended(fitting)
    assert {hands.job(job_id).state for job_id in blocked} == {JobState.QUEUED}
    stop(site, home, holder)
    hands.until_ended(*blocked)


def test_gpus_are_held_whole_and_given_back(site: Site, home: Home, hands: Hands) -> None:
    wants = {"cpus": 0.1, "memory": 0.1, "accelerators": "H100:6"}
    first = submit(site, home, "echo $CUDA_VISIBLE_DEVICES; sleep 600", resources=wants)
    hands.until_state(first, JobState.RUNNING)
    second = submit(site, home, "echo $CUDA_VISIBLE_DEVICES", resources=wants)
    hands.turn()
    waiting = hands.job(second)
    assert (waiting.state, waiting.reason_code) == (JobState.QUEUED, "waiting_for_gpus")
    stop(site, home, first)
    hands.until_ended(first, second)
    assert hands.log(second) == hands.log(first)[: len("0,1,2,3,4,5\n")] == "0,1,2,3,4,5\n"


def test_many_short_jobs_all_end(site: Site, home: Home, hands: Hands) -> None:
    jobs = [submit(site, home, f"echo {n}") for n in range(30)]
    hands.until_ended(*jobs)
    assert [hands.log(job_id) for job_id in jobs] == [f"{n}\n" for n in range(30)]
    assert totals(site) == {JobState.SUCCEEDED: 30}

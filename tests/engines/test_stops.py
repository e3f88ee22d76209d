"""Stopping: the signal, the grace, KILL to what is left, and what a job is told."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime

import pytest

from app.engines.protocol import EndCause, Phase, Signal, StopPolicy, StopReason
from tests.engines.runs import Runs, is_running
from tests.peers import wait_until

SAVES = """
python3 - <<'END'
import json, os, signal, sys
def save(number, frame):
    print("told", open(os.environ["LATTICE_STOP_FILE"]).read(), flush=True)
    sys.exit(75)
signal.signal(signal.SIG{signal}, save)
os.write(1, b"ready\\n")  # by print, the signal could come while it is still printing
while True: signal.pause()
END
"""
DEAF = "trap '' TERM; echo ready; while :; do sleep 0.05; done"
DAEMON = "setsid sh -c 'setsid sleep 300 & echo daemon $! $$; exec sleep 300' & sleep 0.01; "


def test_a_stop_ends_it(runs: Runs) -> None:
    attempt = runs.start("echo ready; sleep 60")
    runs.says(attempt, b"ready")
    runs.stop(attempt)
    assert runs.end_of(attempt).cause is EndCause.STOPPED


@pytest.mark.parametrize("signal", list(Signal))
def test_a_job_is_told_and_may_save(runs: Runs, signal: Signal) -> None:
    """The exit code 75 of a program comes through the shell that waited for it."""
    attempt = runs.start(SAVES.replace("{signal}", signal.value))
    runs.says(attempt, b"ready")
    before = datetime.now(UTC)
    runs.stop(attempt, signal=signal, reason=StopReason.PREEMPTED, grace=40)
    seen = runs.end_of(attempt)
    assert (seen.cause, seen.exit_code) == (EndCause.STOPPED, 75)
    told = json.loads(runs.log(attempt).split(b"told ")[1])
    assert (told["reason"], told["signal"]) == ("preempted", signal.value)
    assert 38 <= (datetime.fromisoformat(told["deadline"]) - before).total_seconds() <= 50


def test_the_grace_is_kept_then_killed(runs: Runs) -> None:
    attempt = runs.start(DEAF)
    runs.says(attempt, b"ready")
    began = time.monotonic()
    runs.stop(attempt, grace=0.5)
    assert runs.until(attempt, lambda seen: seen.phase is not Phase.RUNNING).phase is Phase.STOPPING
    seen = runs.end_of(attempt)
    assert (seen.cause, seen.signal) == (EndCause.STOPPED, 9)
    assert time.monotonic() - began >= 0.5


def test_a_second_stop_is_at_once(runs: Runs) -> None:
    attempt = runs.start(DEAF)
    runs.says(attempt, b"ready")
    runs.stop(attempt, grace=600)
    runs.until(attempt, lambda seen: seen.phase is Phase.STOPPING)
    runs.stop(attempt, grace=600)
    runs.stop(attempt, grace=600, at_once=True)
    assert runs.end_of(attempt).cause is EndCause.STOPPED


def test_a_child_has_the_grace_that_its_shell_did_not_want(runs: Runs) -> None:
    slow = "import signal,time\nsignal.signal(15, lambda *a: (time.sleep(0.3), print('saved', flush=True), exit(0)))\n"
    attempt = runs.start(f"python3 -c \"{slow}print('ready', flush=True)\nsignal.pause()\" &\nexec sleep 60")
    runs.says(attempt, b"ready")
    runs.stop(attempt)
    runs.end_of(attempt)
    assert b"saved" in runs.log(attempt)


def test_a_stop_before_the_start(runs: Runs) -> None:
    """The order waits in the folder for whichever supervisor takes the claim."""
    launch = runs.launch("echo ran")
    folder = runs.home / "attempts" / launch.attempt_id
    runs.engine._create(launch)
    runs.stop(launch.attempt_id)
    runs.begun.append(runs.engine.submit(launch))
    assert runs.end_of(launch.attempt_id).cause is EndCause.STOPPED
    assert runs.log(launch.attempt_id) == b""
    assert not (folder / "env").exists()


def test_a_stop_in_setup(runs: Runs) -> None:
    attempt = runs.start("echo ran", setup="echo ready; sleep 60")
    runs.says(attempt, b"ready")
    runs.stop(attempt)
    assert runs.end_of(attempt).cause is EndCause.STOPPED
    assert b"ran" not in runs.log(attempt)


def test_a_stop_after_the_end_changes_nothing(runs: Runs) -> None:
    attempt = runs.start("exit 4")
    before = runs.end_of(attempt)
    runs.stop(attempt)
    runs.stop(attempt, at_once=True)
    assert runs.look(attempt) == before


def daemons(runs: Runs, attempt: str) -> list[int]:
    runs.says(attempt, b"daemon ")
    return [int(word) for word in runs.log(attempt).split(b"daemon ")[1].split()[:2]]


def test_daemons_die_with_the_main_process(runs: Runs) -> None:
    attempt = runs.start(DAEMON + "until [ -e go ]; do sleep 0.01; done; exit 5")
    pids = daemons(runs, attempt)
    assert all(map(is_running, pids))
    (runs.home / "work" / attempt / "work" / "go").touch()
    assert runs.end_of(attempt).exit_code == 5
    wait_until(lambda: not any(map(is_running, pids)), what="the daemons' end")


def test_daemons_die_in_a_stop(runs: Runs) -> None:
    attempt = runs.start(DAEMON + "sleep 300")
    pids = daemons(runs, attempt)
    runs.stop(attempt, grace=20)
    assert runs.end_of(attempt).cause is EndCause.STOPPED
    assert not any(map(is_running, pids))


def test_each_process_is_signalled_once(runs: Runs) -> None:
    count = "import signal\nsignal.signal(15, lambda *a: print('got it', flush=True))\nprint('ready', flush=True)\n"
    attempt = runs.start(f'setsid python3 -c "{count}while True: signal.pause()" & wait')
    runs.says(attempt, b"ready")
    runs.stop(attempt, grace=0.5)
    runs.end_of(attempt)
    assert runs.log(attempt).count(b"got it") == 1


def test_max_duration_gives_grace_too(runs: Runs) -> None:
    policy = StopPolicy(signal=Signal.INT, grace=30)
    attempt = runs.start(SAVES.replace("{signal}", "INT"), max_duration=1.5, stop=policy)
    seen = runs.end_of(attempt)
    assert (seen.cause, seen.exit_code) == (EndCause.TIMED_OUT, 75)
    assert json.loads(runs.log(attempt).split(b"told ")[1])["reason"] == "max_duration"

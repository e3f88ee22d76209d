"""What a crash of the server, of a supervisor or of the machine leaves: nothing twice, nothing lost."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from app.engines.local import LocalEngine
from app.engines.local.observing import Watched
from app.engines.local.starting import Starter
from app.engines.protocol import EndCause, EngineError, Isolation, LogPiece, Phase
from tests.engines.runs import DEADLINE, Runs, command_lines, is_running, require_root
from tests.peers import ROOT, wait_until

COUNTS = 'echo one >>"$LATTICE_CHECKPOINT_DIR/times"; cat "$LATTICE_CHECKPOINT_DIR/times"'
SUBMITS = """
import os, signal, sys
from pathlib import Path
from app.engines.local import LocalEngine
from app.engines.protocol import Launch, Share
engine = LocalEngine(Path(sys.argv[1]), node_name="here")
share = Share(node="here", cpu_tenths=1, memory_tenths=5)
for number in range(int(sys.argv[2])):
    run = "echo begin; until [ -e ../../../go ]; do sleep 0.02; done; echo end"
    ids = {"attempt_id": f"att_{number}", "job_id": f"job_{number}"}
    engine.submit(Launch(**ids, job_name="x", number=1, shares=(share,), run=run))
os.kill(0 if sys.argv[3] == "group" else os.getpid(), signal.SIGKILL)
"""


def submit_and_die(home: Path, count: int, what: str) -> None:
    command = [sys.executable, "-c", SUBMITS, str(home), str(count), what]
    died = subprocess.run(command, cwd=ROOT, check=False, start_new_session=True, capture_output=True)
    assert died.returncode == -signal.SIGKILL, died.stderr


@pytest.mark.parametrize("what", ["process", "group"])
def test_jobs_outlive_the_server(runs: Runs, what: str) -> None:
    names = [f"att_{number}" for number in range(5)]
    submit_and_die(runs.home, 5, what)
    runs.begun += names
    assert runs.engine.find([*names, "att_other"]) == {name: name for name in names}
    for name in names:
        runs.says(name, b"begin\n")
        assert runs.look(name).phase is Phase.RUNNING
    (runs.home / "go").touch()
    for name in names:
        assert runs.end_of(name).exit_code == 0
        assert runs.log(name) == b"begin\nend\n"


def test_a_half_made_folder_is_no_attempt(runs: Runs) -> None:
    half = runs.home / "attempts" / ".new-att_half-1234"
    half.mkdir()
    assert runs.engine.find(["att_half"]) == {}
    LocalEngine(runs.home, node_name="here").close()
    assert not half.exists()


def test_a_repeated_submit_runs_once(runs: Runs) -> None:
    launch = runs.launch(COUNTS)
    for _ in range(3):
        assert runs.engine.submit(launch) == launch.attempt_id
    runs.end_of(launch.attempt_id)
    runs.engine.submit(launch)
    assert runs.log(launch.attempt_id) == b"one\n"


def test_supervisors_race_for_the_claim(runs: Runs) -> None:
    launch = runs.launch(COUNTS)
    runs.engine._create(launch)
    folder = runs.home / "attempts" / launch.attempt_id
    command = [sys.executable, "-I", "-S", str(runs.engine._supervisor), str(folder)]
    racers = [subprocess.Popen(command, start_new_session=True) for _ in range(8)]
    assert [racer.wait(DEADLINE) for racer in racers] == [0] * 8
    assert runs.end_of(launch.attempt_id).exit_code == 0
    assert runs.log(launch.attempt_id) == b"one\n"


def test_a_supervisor_that_never_came_is_started_again(runs: Runs) -> None:
    launch = runs.launch("echo ran")
    runs.engine._create(launch)  # and then the server died
    runs.begun.append(launch.attempt_id)
    assert runs.end_of(launch.attempt_id).exit_code == 0
    assert runs.log(launch.attempt_id) == b"ran\n"


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


DIES = "import sys; open(sys.argv[1] + '/starts', 'a').write('x'); sys.exit(3)"


def test_supervisors_that_die_at_once_are_started_a_few_times_and_then_their_job_is_not_started(
    open_folder: Path,
) -> None:
    clock, runs = Clock(), Runs(open_folder / "data" / "local")
    dying = open_folder / "dying.py"
    dying.write_text(DIES)
    runs.engine._starter = Starter(sys.executable, dying, clock)
    attempt = runs.start("echo ran", envs={"TOKEN": "hush"})
    folder = runs.home / "attempts" / attempt
    for count, pause in enumerate((5, 10, 20, 40), 1):
        clock.now += pause - 0.1
        assert runs.look(attempt).phase is Phase.PENDING
        wait_until(partial(has_begun, folder, count), what=f"start {count}, and no other before its time")
        clock.now += 0.1
        assert runs.look(attempt).phase is Phase.PENDING
    seen = runs.end_of(attempt)
    assert seen.cause is EndCause.NOT_STARTED
    assert seen.detail == "Its supervisor ended 5 times before the job began; the last time: it exited with 3."
    assert has_begun(folder, 5)
    assert not (folder / "env").exists()
    assert LocalEngine(runs.home, node_name="here").observe({attempt: attempt})[attempt] == seen
    runs.close()


def has_begun(folder: Path, times: int) -> bool:
    starts = folder / "starts"
    return starts.exists() and starts.read_text() == "x" * times


def test_a_supervisor_that_comes_too_late_runs_nothing(runs: Runs) -> None:
    launch = runs.launch("echo ran")
    runs.engine._create(launch)
    folder = runs.home / "attempts" / launch.attempt_id
    assert Watched(launch.attempt_id, folder).refuse("It was in vain.").cause is EndCause.NOT_STARTED
    late = [sys.executable, "-I", "-S", str(runs.engine._supervisor), str(folder)]
    assert subprocess.run(late, check=False).returncode == 0
    assert runs.look(launch.attempt_id).detail == "It was in vain."
    assert runs.log(launch.attempt_id) == b""


def test_what_has_begun_after_all_is_not_refused(runs: Runs) -> None:
    attempt = runs.start("sleep 300")
    runs.until(attempt, lambda seen: seen.phase is Phase.RUNNING)
    watched = Watched(attempt, runs.home / "attempts" / attempt)
    assert watched.refuse("It was in vain.").phase is Phase.RUNNING


def claim_of(runs: Runs, attempt: str) -> dict[str, str]:
    text = (runs.home / "attempts" / attempt / "claim").read_text()
    return dict(line.split(" ", 1) for line in text.splitlines())


def test_a_killed_supervisor_is_a_lost_machine(runs: Runs) -> None:
    attempt = runs.start("setsid sleep 300 & echo child $!; sleep 300")
    runs.says(attempt, b"child ")
    child = int(runs.log(attempt).split()[1])
    os.kill(int(claim_of(runs, attempt)["pid"]), signal.SIGKILL)
    seen = runs.end_of(attempt)
    assert (seen.phase, seen.cause) == (Phase.LOST, EndCause.MACHINE_LOST)
    assert not is_running(child)
    assert LocalEngine(runs.home, node_name="here").observe({attempt: attempt})[attempt] == seen


def test_an_attempt_whose_folder_is_removed_is_ended_and_lost(runs: Runs) -> None:
    attempt = runs.start("setsid sleep 300 & echo child $!; sleep 300")
    runs.says(attempt, b"child ")
    child, supervisor = int(runs.log(attempt).split()[1]), int(claim_of(runs, attempt)["pid"])
    runs.until(attempt, lambda seen: seen.phase is Phase.RUNNING)
    shutil.rmtree(runs.home / "attempts" / attempt)
    seen = runs.end_of(attempt)
    assert (seen.phase, seen.cause) == (Phase.LOST, EndCause.MACHINE_LOST)
    assert seen.started_at and "folder is gone" in seen.detail
    assert not is_running(child)
    assert runs.engine.read_log(attempt, attempt, 0, 100) == LogPiece(start=0, data=b"", complete=True)
    wait_until(lambda: not is_running(supervisor), what="its supervisor has ended")


def test_a_disk_that_is_away_ends_nothing(runs: Runs) -> None:
    attempt = runs.start("sleep 300")
    runs.until(attempt, lambda seen: seen.phase is Phase.RUNNING)
    attempts, away = runs.home / "attempts", runs.home / "away"
    attempts.rename(away)
    seen = runs.engine.observe({attempt: attempt}).get(attempt)
    assert seen is None or seen.phase is Phase.RUNNING
    away.rename(attempts)
    assert runs.look(attempt).phase is Phase.RUNNING


def test_a_lost_jobs_folders_are_closed_and_its_user_is_free(runs: Runs) -> None:
    require_root()
    attempt = runs.start("echo ready; sleep 300", isolation=Isolation.USER)
    runs.says(attempt, b"ready")
    os.kill(int(claim_of(runs, attempt)["pid"]), signal.SIGKILL)
    assert runs.end_of(attempt).phase is Phase.LOST
    assert list((runs.home / "uids").iterdir()) == []
    assert (runs.home / "work" / attempt).stat().st_mode & 0o777 == 0o700


def test_another_boot_is_a_lost_machine(runs: Runs) -> None:
    """The process that has the number now is not ours, and must come to no harm."""
    attempt = runs.start("true")
    runs.end_of(attempt)
    bystander = subprocess.Popen(["sleep", "300"])
    folder = runs.home / "attempts" / attempt
    (folder / "ended").unlink()
    (folder / "claim").write_text(f"pid {bystander.pid}\nstart 1\nboot another\nstarted 1700000000.5\n")
    later = LocalEngine(runs.home, node_name="here")
    seen = later.observe({attempt: attempt})[attempt]
    assert (seen.phase, seen.cause) == (Phase.LOST, EndCause.MACHINE_LOST)
    assert "restarted" in seen.detail
    assert bystander.poll() is None
    bystander.kill()
    bystander.wait()
    later.close()


def test_a_number_that_came_again_is_not_our_process(runs: Runs) -> None:
    attempt = runs.start("true")
    runs.end_of(attempt)
    bystander = subprocess.Popen(["sleep", "300"])
    folder = runs.home / "attempts" / attempt
    (folder / "ended").unlink()
    boot = claim_of(runs, attempt)["boot"]
    (folder / "claim").write_text(f"pid {bystander.pid}\nstart 1\nboot {boot}\nstarted 1700000000.5\n")
    later = LocalEngine(runs.home, node_name="here")
    assert later.observe({attempt: attempt})[attempt].phase is Phase.LOST
    assert bystander.poll() is None
    bystander.kill()
    bystander.wait()
    later.close()


def test_a_damaged_folder_did_not_start(runs: Runs) -> None:
    launch = runs.launch("echo ran")
    runs.engine._create(launch)
    (runs.home / "attempts" / launch.attempt_id / "spec").write_bytes(b"")
    runs.engine.submit(launch)
    assert runs.end_of(launch.attempt_id).cause is EndCause.NOT_STARTED


def test_secrets_are_gone_when_the_job_runs(runs: Runs) -> None:
    attempt = runs.start("echo ready; sleep 300", envs={"TOKEN": "very-secret-word"})
    runs.says(attempt, b"ready")
    found = [path for path in runs.home.rglob("*") if path.is_file() and b"very-secret" in path.read_bytes()]
    assert found == []
    assert not any(b"very-secret" in command for command in command_lines())


def test_the_wait_is_woken(runs: Runs) -> None:
    runs.engine.interrupt()
    assert runs.engine.wait_for_change(DEADLINE)
    attempt = runs.start("true")
    assert runs.engine.wait_for_change(DEADLINE)
    runs.end_of(attempt)
    wait_until(lambda: not runs.engine.wait_for_change(0), what="quiet")


def test_a_home_that_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(EngineError):
        LocalEngine(tmp_path / "file", node_name="here")


def test_an_empty_log_is_complete_at_the_end(runs: Runs) -> None:
    attempt = runs.start("true")
    runs.end_of(attempt)
    assert runs.engine.read_log(attempt, attempt, 0, 100) == LogPiece(start=0, data=b"", complete=True)

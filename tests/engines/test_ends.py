"""How attempts end, each end told apart, and what a job finds in its environment."""

from __future__ import annotations

import pytest

from app.engines.protocol import EndCause, EngineError, Phase, Share
from tests.engines.runs import Runs


def test_success(runs: Runs) -> None:
    seen = runs.end("true")
    assert (seen.phase, seen.cause, seen.exit_code) == (Phase.ENDED, EndCause.EXITED, 0)
    assert seen.started_at and seen.finished_at and seen.started_at <= seen.finished_at


@pytest.mark.parametrize("code", [1, 3, 75, 255])
def test_exit_code(runs: Runs, code: int) -> None:
    seen = runs.end(f"exit {code}")
    assert (seen.cause, seen.exit_code, seen.signal) == (EndCause.EXITED, code, None)


def test_command_not_found(runs: Runs) -> None:
    attempt = runs.start("true\nthere-is-no-such-command")
    assert runs.end_of(attempt).cause is EndCause.COMMAND_NOT_FOUND
    assert runs.log(attempt).startswith(b"../control/run: line 2: there-is-no-such-command:")


def test_death_by_signal(runs: Runs) -> None:
    seen = runs.end("kill -SEGV $$")
    assert (seen.cause, seen.exit_code, seen.signal) == (EndCause.SIGNALED, None, 11)


def test_death_of_the_last_command_by_signal(runs: Runs) -> None:
    seen = runs.end("sh -c 'kill -ABRT $$'")
    assert (seen.cause, seen.exit_code) == (EndCause.EXITED, 134)
    assert "signal 6" in seen.detail


def test_a_job_that_removes_its_folder_fails_by_itself(runs: Runs) -> None:
    seen = runs.end('rm -rf "$PWD"; exit 4')
    assert (seen.cause, seen.exit_code) == (EndCause.EXITED, 4)


def test_a_job_may_take_back_what_it_wrote(runs: Runs) -> None:
    seen = runs.end("for i in $(seq 300); do echo $i; timeout 0.003 head -c 1 /dev/stdout; done >/dev/stdout; exit 4")
    assert (seen.cause, seen.exit_code) == (EndCause.EXITED, 4)


def test_setup_comes_first_and_may_fail(runs: Runs) -> None:
    attempt = runs.start("echo ran", setup="echo setting up; exit 9")
    seen = runs.end_of(attempt)
    assert (seen.cause, seen.exit_code) == (EndCause.SETUP_FAILED, 9)
    assert runs.log(attempt) == b"setting up\n"


def test_setup_prepares_the_working_folder(runs: Runs) -> None:
    attempt = runs.start("cat made", setup="echo content >made")
    runs.end_of(attempt)
    assert runs.log(attempt) == b"content\n"


def test_max_duration(runs: Runs) -> None:
    seen = runs.end("sleep 60", max_duration=0.2)
    assert (seen.phase, seen.cause) == (Phase.ENDED, EndCause.TIMED_OUT)


def test_max_duration_holds_for_setup(runs: Runs) -> None:
    assert runs.end("true", setup="sleep 60", max_duration=0.2).cause is EndCause.TIMED_OUT


def test_environment(runs: Runs) -> None:
    share = Share(node="here", cpu_tenths=5, memory_tenths=5, gpu_indices=(0, 1))
    launch = runs.launch("env", share=share, envs={"EPOCHS": "3", "TRICKY": "a=b\n'\"$HOME\x1b"})
    runs.begun.append(runs.engine.submit(launch))
    runs.end_of(launch.attempt_id)
    lines = runs.log(launch.attempt_id).decode().splitlines()
    assert {
        "EPOCHS=3",
        f"LATTICE_JOB_ID={launch.job_id}",
        f"LATTICE_ATTEMPT_ID={launch.attempt_id}",
        "SKYPILOT_NODE_RANK=0",
        "SKYPILOT_NODE_IPS=127.0.0.1",
        "SKYPILOT_NUM_NODES=1",
        "SKYPILOT_NUM_GPUS_PER_NODE=2",
        f"SKYPILOT_TASK_ID={launch.job_id}",
        "CUDA_VISIBLE_DEVICES=0,1",
        "TRICKY=a=b",
        "'\"$HOME\x1b",
    } <= set(lines)


def test_no_gpu_held_none_visible(runs: Runs) -> None:
    attempt = runs.start('echo "[${CUDA_VISIBLE_DEVICES-unset}]"')
    runs.end_of(attempt)
    assert runs.log(attempt) == b"[]\n"


def test_the_servers_environment_stays_outside(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTH_API_KEY", "hush")
    attempt = runs.start("env; cat /proc/$PPID/environ")
    runs.end_of(attempt)
    assert b"hush" not in runs.log(attempt)


def test_checkpoints_outlive_attempts(runs: Runs) -> None:
    first = runs.launch('echo 7 >"$LATTICE_CHECKPOINT_DIR/step"')
    runs.begun.append(runs.engine.submit(first))
    runs.end_of(first.attempt_id)
    runs.engine.discard(first.attempt_id, first.attempt_id)
    second = runs.start('cat "$LATTICE_CHECKPOINT_DIR/step"', job_id=first.job_id)
    runs.end_of(second)
    assert runs.log(second) == b"7\n"


def test_discard_removes_all(runs: Runs) -> None:
    launch = runs.launch('touch a; touch "$LATTICE_CHECKPOINT_DIR/b"')
    runs.engine.submit(launch)
    runs.end_of(launch.attempt_id)
    runs.engine.discard(launch.attempt_id, launch.attempt_id)
    runs.engine.discard_job(launch.job_id)
    runs.engine.discard_job(launch.job_id)
    assert [path for path in runs.home.rglob("*") if launch.job_id in str(path) or launch.attempt_id in str(path)] == []


DEEP = "import os\nfor _ in range(1500):\n    os.mkdir('d')\n    os.chdir('d')\n"


def test_discard_removes_what_nests_deep(runs: Runs) -> None:
    attempt = runs.start(f'python3 -c "{DEEP}"')
    assert runs.end_of(attempt).exit_code == 0
    runs.engine.discard(attempt, attempt)
    assert [path for path in runs.home.rglob("*") if attempt in str(path)] == []


def test_a_folder_that_can_not_be_made_leaves_nothing(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("app.engines.local.engine.write_items", full)
    launch = runs.launch("true")
    with pytest.raises(EngineError, match="No space left"):
        runs.engine.submit(launch)
    assert [path for path in runs.home.rglob("*") if launch.attempt_id in str(path)] == []


def test_discard_refuses_what_still_runs(runs: Runs) -> None:
    attempt = runs.start("echo here; sleep 60")
    runs.says(attempt, b"here")
    with pytest.raises(EngineError, match="not ended"):
        runs.engine.discard(attempt, attempt)


def test_two_nodes_are_refused(runs: Runs) -> None:
    share = Share(node="here", cpu_tenths=1, memory_tenths=1)
    with pytest.raises(EngineError) as refused:
        runs.engine.submit(runs.launch("true", shares=(share, share)))
    assert not refused.value.retry


def test_an_image_is_not_passed_over(runs: Runs) -> None:
    with pytest.raises(EngineError, match="no containers") as refused:
        runs.engine.submit(runs.launch("true", image="python:3.12"))
    assert not refused.value.retry


@pytest.mark.parametrize("name", ["../up", "a/b", "", ".hidden", "x" * 200])
def test_ids_that_are_no_names_are_refused(runs: Runs, name: str) -> None:
    with pytest.raises(EngineError):
        runs.engine.submit(runs.launch("true", attempt_id=name))


@pytest.mark.parametrize("envs", [{"A B": "1"}, {"A=B": "1"}, {"A": "nul\0"}, {"": "1"}])
def test_variables_that_can_not_be_are_refused(runs: Runs, envs: dict[str, str]) -> None:
    with pytest.raises(EngineError):
        runs.engine.submit(runs.launch("true", envs=envs))


def test_text_is_never_run_by_the_engine(runs: Runs) -> None:
    attempt = runs.start("cat <<'END'\n$(touch stolen) `touch stolen`\nEND\nls")
    runs.end_of(attempt)
    assert runs.log(attempt) == b"$(touch stolen) `touch stolen`\n"


def test_an_unknown_attempt_is_lost(runs: Runs) -> None:
    assert runs.look("att_nothing").phase is Phase.LOST
    assert runs.engine.find(["att_nothing"]) == {}

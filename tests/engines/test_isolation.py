"""What a job can't reach: the server, its data, and other jobs; in each way of keeping it apart."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from app.engines.local.files import read_record
from app.engines.local.folders import closed_ancestor
from app.engines.local.supervisor.ipc import remove_ipc
from app.engines.local.uids import DEEPEST
from app.engines.protocol import EndCause, EngineError, Isolation, Phase, Share
from tests.engines.runs import Runs, command_lines, require_root
from tests.peers import ROOT

NOBODY = 65534
NO_ACCOUNT = 54321  # as `docker run --user` may give
APART = [Isolation.USER, Isolation.BUBBLEWRAP]
PRIVATE = [
    *("../keys", "attempts", "attempts/{other}/spec", "attempts/{other}/out", "uids"),
    *("work", "work/{other}/work", "work/{other}/work/secret", "work/{other}/control", "work/{other}/control/run"),
    *("checkpoints", "checkpoints/{job}"),
]
SMALL = Share(node="here", cpu_tenths=10, memory_tenths=1)


@pytest.fixture(autouse=True)
def _root() -> None:
    require_root()


def said(runs: Runs, run: str, **more: object) -> str:
    attempt = runs.start(run, **more)
    runs.end_of(attempt)
    return runs.log(attempt).decode()


def test_all_ways_are_available_here(runs: Runs) -> None:
    whys = runs.engine.available_isolations()
    assert whys == dict.fromkeys(Isolation)


def test_a_missing_tool_is_named(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert "bubblewrap" in str(runs.engine.available_isolations()[Isolation.BUBBLEWRAP])


@pytest.mark.parametrize("kind", APART)
def test_a_job_is_nobody_in_particular(runs: Runs, kind: Isolation) -> None:
    words = said(runs, "id -u; id -G; grep NoNewPrivs /proc/self/status; grep CapEff /proc/self/status", isolation=kind)
    uid, groups, flag, capabilities = words.splitlines()
    assert 70_000 <= int(uid) < 80_000 and groups == uid
    assert flag.split()[1] == "1" and int(capabilities.split()[1], 16) == 0


@pytest.mark.parametrize("kind", APART)
def test_a_job_has_a_home_and_its_things(runs: Runs, kind: Isolation) -> None:
    run = 'set -e; cd ~; pwd; touch made; echo 1 >"$LATTICE_CHECKPOINT_DIR/a"; echo again >/dev/stdout; echo "$WORD"'
    attempt = runs.start(run, isolation=kind, envs={"WORD": 'it\'s "fine" $HOME'})
    assert runs.end_of(attempt).exit_code == 0
    work = runs.home / "work" / attempt / "work"
    assert runs.log(attempt).decode() == f'{work}\nagain\nit\'s "fine" $HOME\n'


@pytest.mark.parametrize("kind", APART)
@pytest.mark.parametrize("target", PRIVATE)
def test_a_job_can_not_read(runs: Runs, kind: Isolation, target: str) -> None:
    (runs.home.parent / "keys").write_text("hush")
    (runs.home.parent / "keys").chmod(0o600)
    other = runs.launch("echo hush >secret; echo ready; sleep 300", isolation=kind, envs={"SECRET": "hush"})
    runs.begun.append(runs.engine.submit(other))
    runs.says(other.attempt_id, b"ready")
    path = runs.home / target.format(other=other.attempt_id, job=other.job_id)
    assert path.exists()
    tries = f"cat {path} 2>&-; ls -A {path}/ 2>&-; cp -r {path} copy 2>&-; find copy 2>&-; cat copy/* 2>&-; echo tried"
    words = said(runs, tries, isolation=kind)
    assert "tried" in words
    assert not [word for word in (other.attempt_id, other.job_id, "hush") if word in words]


@pytest.mark.parametrize("kind", APART)
def test_a_job_can_not_see_the_servers_environment(runs: Runs, kind: Isolation) -> None:
    me = os.getpid()
    words = said(runs, f"cat /proc/{me}/environ && echo READ; tr '\\0' '\\n' </proc/$PPID/environ", isolation=kind)
    assert "READ" not in words
    assert f"kill: ({me})" in said(runs, f"kill -0 {me}; kill -9 {me}", isolation=kind)


@pytest.mark.parametrize("kind", APART)
def test_a_job_can_not_change_its_scripts(runs: Runs, kind: Isolation) -> None:
    words = said(
        runs,
        "cd ../control; echo x >run && echo WROTE; rm -f run && echo WROTE; touch a && echo WROTE; :",
        isolation=kind,
    )
    assert "WROTE" not in words


def test_two_jobs_never_share_a_user(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zlib.crc32", lambda _: 7)  # all jobs would like the same one
    attempts = [runs.start("id -u; sleep 300", isolation=Isolation.USER) for _ in range(3)]
    for attempt in attempts:
        runs.says(attempt, b"\n")
    assert {runs.log(attempt) for attempt in attempts} == {b"70007\n", b"70008\n", b"70009\n"}


def test_a_user_is_given_back(runs: Runs) -> None:
    assert runs.end("true", isolation=Isolation.USER).exit_code == 0
    assert list((runs.home / "uids").iterdir()) == []


SHARES = (
    "mkdir -p /dev/shm/$LATTICE_ATTEMPT_ID/deep && echo a >/dev/shm/$LATTICE_ATTEMPT_ID/deep/b;"
    " ln -s /etc /dev/shm/$LATTICE_ATTEMPT_ID/link; ipcmk --shmem 4096 --semaphore 1 --queue; echo made"
)


def objects_of(uid: int) -> list[str]:
    """System V's objects of that user, a line each."""
    tables = {kind: Path("/proc/sysvipc", kind).read_text().splitlines() for kind in ("shm", "sem", "msg")}
    owner = {"shm": 7, "sem": 4, "msg": 7}
    return [line for kind, (_, *rows) in tables.items() for line in rows if line.split()[owner[kind]] == str(uid)]


def test_shared_memory_goes_with_its_job(runs: Runs) -> None:
    """It would hold the machine's memory for ever, and the next job with the same number would find it."""
    over = runs.start(f"{SHARES}; id -u", isolation=Isolation.USER)
    killed, other = (runs.start(f"{SHARES}; id -u; sleep 300", isolation=Isolation.USER) for _ in range(2))
    users = []
    for attempt in (over, killed, other):
        runs.says(attempt, b"made\n7")
        users.append(int(runs.log(attempt).split()[-1]))
    claim = read_record(runs.home / "attempts" / killed / "claim")
    assert claim is not None
    os.kill(int(claim["pid"]), signal.SIGKILL)
    assert (runs.end_of(over).exit_code, runs.end_of(killed).phase) == (0, Phase.LOST)
    assert [Path("/dev/shm", attempt).exists() for attempt in (over, killed, other)] == [False, False, True]
    assert [len(objects_of(uid)) for uid in users] == [0, 0, 3]


def test_what_a_vanished_holder_of_a_number_shared_is_not_found_by_the_next(
    runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("zlib.crc32", lambda _: 7)
    first = runs.start(f"{SHARES}; sleep 300", isolation=Isolation.USER)
    runs.says(first, b"made")
    runs.until(first, lambda seen: seen.phase is Phase.RUNNING)
    shutil.rmtree(runs.home / "attempts" / first)
    runs.end_of(first)
    assert runs.end("id -u", isolation=Isolation.USER).exit_code == 0
    assert not Path("/dev/shm", first).exists() and objects_of(70_007) == []


def test_shared_memory_of_a_user_whose_processes_live_stays() -> None:
    """Another server on this machine may have given the number out too."""
    require_root()
    uid = 79_990
    with subprocess.Popen(["sleep", "300"], user=uid) as living:
        shared = Path("/dev/shm", f"lattice-test-{os.getpid()}")
        shared.touch()
        os.chown(shared, uid, uid)
        try:
            remove_ipc(uid)
            assert shared.exists()
        finally:
            living.kill()
    remove_ipc(uid)
    assert not shared.exists()


def test_folders_are_closed_at_the_end(runs: Runs) -> None:
    """Another job may have the same number later."""
    launch = runs.launch('touch "$LATTICE_CHECKPOINT_DIR/a"', isolation=Isolation.USER)
    runs.engine.submit(launch)
    runs.end_of(launch.attempt_id)
    for folder in (runs.home / "work" / launch.attempt_id, runs.home / "checkpoints" / launch.job_id):
        status = folder.stat()
        assert (status.st_uid, stat.S_IMODE(status.st_mode)) == (0, 0o700)


def test_checkpoints_follow_a_job_to_another_user(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    keeps = 'mkdir -p "$LATTICE_CHECKPOINT_DIR/deep"; date >>"$LATTICE_CHECKPOINT_DIR/deep/file" && echo kept'
    first = runs.launch(keeps, isolation=Isolation.USER)
    runs.begun.append(runs.engine.submit(first))
    runs.end_of(first.attempt_id)
    monkeypatch.setattr("zlib.crc32", lambda _: 7)
    assert said(runs, keeps, isolation=Isolation.USER, job_id=first.job_id) == "kept\n"


def test_a_link_hands_nothing_over(runs: Runs, monkeypatch: pytest.MonkeyPatch, open_folder: Path) -> None:
    precious = open_folder / "precious"
    precious.write_text("mine")
    first = runs.launch(f'ln -s {precious} "$LATTICE_CHECKPOINT_DIR/link"', isolation=Isolation.USER)
    runs.begun.append(runs.engine.submit(first))
    runs.end_of(first.attempt_id)
    monkeypatch.setattr("zlib.crc32", lambda _: 7)
    runs.end("true", isolation=Isolation.USER, job_id=first.job_id)
    assert precious.stat().st_uid == 0


def test_checkpoints_that_nest_too_deep_are_refused_by_name(runs: Runs) -> None:
    deep = "/".join(["d"] * (DEEPEST + 2))
    first = runs.launch(f'mkdir -p "$LATTICE_CHECKPOINT_DIR/{deep}"', isolation=Isolation.USER)
    runs.begun.append(runs.engine.submit(first))
    runs.end_of(first.attempt_id)
    again = runs.launch("true", isolation=Isolation.USER, job_id=first.job_id)
    with pytest.raises(EngineError, match="deep") as refused:
        runs.engine.submit(again)
    assert not refused.value.retry
    assert [path for path in runs.home.rglob("*") if again.attempt_id in str(path)] == []


def test_a_closed_data_folder_is_no_hindrance(open_folder: Path) -> None:
    (open_folder / "closed").mkdir(mode=0o700)
    runs = Runs(open_folder / "closed" / "data" / "local", outside=open_folder / "outside")
    launch = runs.launch("pwd; touch made; date >$LATTICE_CHECKPOINT_DIR/a && echo kept", isolation=Isolation.USER)
    runs.begun.append(runs.engine.submit(launch))
    assert runs.end_of(launch.attempt_id).exit_code == 0
    assert runs.log(launch.attempt_id).startswith(os.fsencode(open_folder / "outside"))
    again = runs.start("ls $LATTICE_CHECKPOINT_DIR", job_id=launch.job_id)
    runs.end_of(again)
    assert runs.log(again) == b"a\n"
    runs.engine.discard(launch.attempt_id, launch.attempt_id)
    runs.engine.discard_job(launch.job_id)
    runs.close()
    assert [path for path in (open_folder / "outside").rglob("*") if launch.attempt_id in str(path)] == []


def test_checkpoints_follow_a_change_of_isolation(open_folder: Path) -> None:
    (open_folder / "closed").mkdir(mode=0o700)
    runs = Runs(open_folder / "closed" / "data" / "local", outside=open_folder / "outside")
    first = runs.launch("echo 5 >$LATTICE_CHECKPOINT_DIR/a")
    runs.begun.append(runs.engine.submit(first))
    runs.end_of(first.attempt_id)
    assert said(runs, "ls $LATTICE_CHECKPOINT_DIR", isolation=Isolation.USER, job_id=first.job_id) == "a\n"
    runs.close()


@pytest.mark.parametrize("kind", APART)
def test_a_stop_gives_grace(runs: Runs, kind: Isolation) -> None:
    run = "trap 'cat $LATTICE_STOP_FILE; exit 75' TERM; echo ready; while :; do sleep 0.05; done"
    attempt = runs.start(run, isolation=kind)
    runs.says(attempt, b"ready")
    runs.stop(attempt, grace=40)
    seen = runs.end_of(attempt)
    assert (seen.cause, seen.exit_code) == (EndCause.STOPPED, 75)
    assert b'"reason": "requested"' in runs.log(attempt)


@pytest.mark.parametrize("kind", APART)
def test_daemons_die(runs: Runs, kind: Isolation) -> None:
    nap = f"311.{os.getpid()}"  # other tests, on other workers, have daemons of their own
    attempt = runs.start(f"setsid sh -c 'setsid sleep {nap} & sleep {nap}' & sleep 0.05; echo done", isolation=kind)
    assert runs.end_of(attempt).exit_code == 0
    assert f"sleep\x00{nap}\x00".encode() not in command_lines()


@pytest.mark.parametrize("kind", APART)
def test_memory_is_enforced(runs: Runs, kind: Isolation) -> None:
    eats = "/usr/bin/python3 -c 'x = bytearray(500 << 20)'"
    assert runs.end(eats, isolation=kind, share=SMALL).cause is EndCause.OUT_OF_MEMORY


@pytest.mark.parametrize("kind", APART)
def test_setup_fails(runs: Runs, kind: Isolation) -> None:
    seen = runs.end("true", setup="exit 3", isolation=kind)
    assert (seen.cause, seen.exit_code) == (EndCause.SETUP_FAILED, 3)


def test_bubblewrap_shows_its_own_processes_alone(runs: Runs) -> None:
    words = said(
        runs, "ls -d /proc/[0-9]* | wc -l; ls /tmp | wc -l; ls /root /home /work; :", isolation=Isolation.BUBBLEWRAP
    )
    processes, files = map(int, words.split("\n")[:2])
    assert processes <= 6 and files == 1
    assert words.count("No such file") == 3


def test_variables_reach_nothing_outside_of_the_box(runs: Runs) -> None:
    """A library named in LD_PRELOAD is looked for by the job's own shell, not by root's program that makes the box."""
    words = said(runs, "true", isolation=Isolation.BUBBLEWRAP, envs={"LD_PRELOAD": "/nowhere/evil.so"})
    assert words.count("evil.so") == 1


def test_a_user_needs_root(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(EngineError, match="root") as refused:
        runs.engine.submit(runs.launch("true", isolation=Isolation.USER))
    assert not refused.value.retry


@pytest.mark.parametrize("user", [NOBODY, NO_ACCOUNT])
def test_an_engine_without_root(open_folder: Path, user: int) -> None:
    """As most people start it: not root, no control groups; daemons die all the same, and the box still works."""
    closed = open_folder / "closed" / "bin"
    closed.mkdir(parents=True)
    closed.parent.chmod(0o700)
    os.chown(open_folder, user, user)
    python = Path(sys.executable).resolve()
    program = "/usr/bin/python3" if closed_ancestor(python) else str(python)
    drop = ["setpriv", "--reuid", str(user), "--regid", str(user), "--clear-groups"]
    script = Path(__file__).with_name("without_root.py")
    command = [*drop, program, "-B", str(script), str(open_folder / "local")]
    env = {"PYTHONPATH": str(ROOT), "PATH": f"{closed}:{os.environ['PATH']}", "HOME": "/elsewhere"}
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    home, name = ("/elsewhere", str(user)) if user == NO_ACCOUNT else (pwd.getpwuid(user).pw_dir, "nobody")
    assert done.stdout.splitlines() == [
        "none", f"{user} daemon gone", f"{home} {name}", f"{user} boxed", "requested 75"
    ]  # fmt: skip

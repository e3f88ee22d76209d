"""Jobs in containers, with a real Podman and an image made of one static program."""

from __future__ import annotations

import shutil
import tarfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest

from app.engines.local import container
from app.engines.local.folders import closed_ancestor
from app.engines.protocol import EndCause, EngineError, Isolation, Share, StopReason
from tests.engines.runs import Runs, command_lines
from tests.peers import unavailable, wait_until
from tests.peers.podman import Podman

pytestmark = [pytest.mark.podman, pytest.mark.xdist_group("podman")]

APPLETS = ("sh", "cat", "echo", "env", "grep", "id", "ls", "sleep", "touch", "true", "head", "tail", "kill", "dd", "tr")
IMAGE = "localhost/lattice-busybox:test"


@pytest.fixture(scope="session")
def tiny_image(podman: Podman, tmp_path_factory: pytest.TempPathFactory) -> str:
    """BusyBox and nothing else; it needs no registry."""
    busybox = shutil.which("busybox")
    if busybox is None:
        unavailable("containers need busybox-static")
    archive = tmp_path_factory.mktemp("image") / "image.tar"
    with tarfile.open(archive, "w") as tar:
        for folder in ("bin", "tmp", "proc", "dev", "sys", "etc", "root"):
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(entry)
        tar.add(busybox, "bin/busybox")
        for applet in APPLETS:
            link = tarfile.TarInfo(f"bin/{applet}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(link)
        passwd = tarfile.TarInfo("etc/passwd")
        passwd.size = len(b"root:x:0:0::/root:/bin/sh\n")
        tar.addfile(passwd, BytesIO(b"root:x:0:0::/root:/bin/sh\n"))
    podman("import", "--quiet", str(archive), IMAGE)
    return IMAGE


@pytest.fixture
def boxed(open_folder: Path, podman: Podman, tiny_image: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Runs]:
    for name in ("CONTAINERS_CONF", "CONTAINERS_STORAGE_CONF"):
        monkeypatch.setenv(name, podman.environment[name])
    monkeypatch.setattr(container, "_known", [])
    made = Runs(open_folder / "data" / "local")
    made.defaults = {"isolation": Isolation.CONTAINER, "image": tiny_image}
    yield made
    made.close()
    left = ("ps", "--all", "--quiet", "--filter", "name=lattice-att")
    wait_until(lambda: podman(*left) == "", what="Podman to have removed the containers")


def test_a_job_runs_in_its_image(boxed: Runs) -> None:
    attempt = boxed.start("ls /bin | head -1; echo $EPOCHS $LATTICE_JOB_ID; ls /work", envs={"EPOCHS": "it's\n3"})
    seen = boxed.end_of(attempt)
    words = boxed.log(attempt).decode()
    assert words.startswith("busybox\nit's 3 job_") and "No such file" in words
    assert (seen.cause, seen.exit_code) == (EndCause.EXITED, 1)


def test_folders_are_shared_with_it(boxed: Runs) -> None:
    first = boxed.launch('set -e; touch here; echo 5 >"$LATTICE_CHECKPOINT_DIR/step"; ls')
    boxed.begun.append(boxed.engine.submit(first))
    assert boxed.end_of(first.attempt_id).exit_code == 0
    assert boxed.log(first.attempt_id) == b"here\n"
    second = boxed.start('cat "$LATTICE_CHECKPOINT_DIR/step"', job_id=first.job_id)
    boxed.end_of(second)
    assert boxed.log(second) == b"5\n"


def test_setup_and_run_share_the_container(boxed: Runs) -> None:
    attempt = boxed.start("cat /tmp/made", setup="echo prepared >/tmp/made")
    boxed.end_of(attempt)
    assert boxed.log(attempt) == b"prepared\n"


def test_setup_may_fail(boxed: Runs) -> None:
    seen = boxed.end("true", setup="exit 4")
    assert (seen.cause, seen.exit_code) == (EndCause.SETUP_FAILED, 4)


def test_command_not_found(boxed: Runs) -> None:
    assert boxed.end("there-is-no-such-command").cause is EndCause.COMMAND_NOT_FOUND


def test_a_stop_gives_grace(boxed: Runs) -> None:
    saves = "trap 'cat $LATTICE_STOP_FILE; exit 75' TERM; echo ready; while :; do sleep 0.1; done"
    attempt = boxed.start(f"sh -c '{saves.replace(chr(39), chr(34))}'")
    boxed.says(attempt, b"ready")
    boxed.stop(attempt, grace=60, reason=StopReason.DRAIN)
    seen = boxed.end_of(attempt)
    assert (seen.cause, seen.exit_code) == (EndCause.STOPPED, 75)
    assert b'"reason": "drain"' in boxed.log(attempt)


def test_a_deaf_job_is_killed(boxed: Runs) -> None:
    attempt = boxed.start("trap '' TERM; echo ready; while :; do sleep 0.1; done")
    boxed.says(attempt, b"ready")
    boxed.stop(attempt, grace=0.5)
    assert boxed.end_of(attempt).cause is EndCause.STOPPED


def test_its_folders_are_closed_to_the_machines_users(boxed: Runs) -> None:
    attempt = boxed.start('touch "$LATTICE_CHECKPOINT_DIR/open"; echo ready; sleep 300')
    boxed.says(attempt, b"ready")
    (kept,) = boxed.home.rglob("open")
    assert closed_ancestor(kept) == boxed.home / "boxed"


def test_checkpoints_follow_a_change_of_isolation(boxed: Runs) -> None:
    first = boxed.launch('echo 5 >"$LATTICE_CHECKPOINT_DIR/step"')
    boxed.begun.append(boxed.engine.submit(first))
    boxed.end_of(first.attempt_id)
    second = boxed.start("cat $LATTICE_CHECKPOINT_DIR/step", job_id=first.job_id, isolation=Isolation.USER, image=None)
    boxed.end_of(second)
    assert boxed.log(second) == b"5\n"


def test_memory_is_enforced(boxed: Runs) -> None:
    share = Share(node="here", cpu_tenths=10, memory_tenths=1)
    seen = boxed.end("dd if=/dev/zero of=/dev/null bs=500M count=1", share=share)
    assert seen.cause is EndCause.OUT_OF_MEMORY


def test_an_image_that_is_not_there(boxed: Runs) -> None:
    seen = boxed.end("true", image="localhost:1/nothing/there:1")
    assert seen.cause is EndCause.NOT_STARTED
    assert "localhost:1/nothing/there" in seen.detail


def test_an_image_is_never_an_option(boxed: Runs) -> None:
    seen = boxed.end("true", image="--env-file=/etc/passwd")
    assert seen.cause is EndCause.NOT_STARTED
    assert "root:" not in seen.detail


def test_variables_stay_out_of_commands(boxed: Runs) -> None:
    attempt = boxed.start("echo ready; sleep 300", envs={"TOKEN": "very-secret-word", "LD_PRELOAD": "/nowhere.so"})
    boxed.says(attempt, b"ready")
    assert not any(b"very-secret" in command for command in command_lines())
    assert b"nowhere.so" not in boxed.log(attempt)


def test_an_image_is_needed(boxed: Runs) -> None:
    with pytest.raises(EngineError, match="image"):
        boxed.engine.submit(boxed.launch("true", image=None))


def test_a_missing_tool_is_named(boxed: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(container, "_known", [])
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(EngineError, match="podman") as refused:
        boxed.engine.submit(boxed.launch("true"))
    assert not refused.value.retry
    monkeypatch.setattr(container, "_known", [])

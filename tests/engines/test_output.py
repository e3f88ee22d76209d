"""The output: every byte, at its offset, bounded; and what a full disk or memory's end does."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.engines.protocol import EndCause, Share
from tests.engines.runs import Runs, require_root
from tests.peers import wait_until

MIB = 1 << 20
WRITES_20_MB = "python3 -c \"import sys\nfor n in range(200000): sys.stdout.write('%099d\\n' % n)\""


def test_twenty_megabytes_are_exact(runs: Runs) -> None:
    attempt = runs.start(WRITES_20_MB)
    expected = hashlib.sha256(b"".join(b"%099d\n" % number for number in range(200_000))).hexdigest()
    assert runs.end_of(attempt).log_size == 20_000_000
    assert hashlib.sha256(runs.log(attempt)).hexdigest() == expected


def test_both_streams_in_their_order(runs: Runs) -> None:
    attempt = runs.start("for i in 1 2 3; do echo out $i; echo err $i >&2; done; printf no-end")
    runs.end_of(attempt)
    assert runs.log(attempt) == b"out 1\nerr 1\nout 2\nerr 2\nout 3\nerr 3\nno-end"


def test_bytes_that_are_no_text(runs: Runs) -> None:
    attempt = runs.start(r"printf '\000\377\r\n\033[31m'")
    runs.end_of(attempt)
    assert runs.log(attempt) == b"\x00\xff\r\n\x1b[31m"


def test_it_is_there_at_once(runs: Runs) -> None:
    attempt = runs.start("printf partial; sleep 300")
    runs.says(attempt, b"partial")
    assert runs.look(attempt).log_size == 7


def test_its_size_grows_through_segments(runs: Runs) -> None:
    piece = "until [ -e ../../../$i ]; do sleep 0.01; done; head -c 300000 /dev/zero"
    attempt = runs.start(f"for i in 1 2 3; do {piece}; done; sleep 300", log_limit=MIB)
    for step in (1, 2, 3):
        (runs.home / str(step)).touch()
        runs.until(attempt, lambda seen, size=300_000 * step: seen.log_size == size)  # type: ignore[misc]


def test_reading_by_offset(runs: Runs) -> None:
    attempt = runs.start("printf 0123456789")
    runs.end_of(attempt)
    middle = runs.engine.read_log(attempt, attempt, 3, 4)
    assert (middle.start, middle.data, middle.complete) == (3, b"3456", False)
    last = runs.engine.read_log(attempt, attempt, 7, 100)
    assert (last.start, last.data, last.complete) == (7, b"789", True)


def test_the_middle_is_cut(runs: Runs) -> None:
    attempt = runs.start(WRITES_20_MB, log_limit=MIB)
    assert runs.end_of(attempt).log_size == 20_000_000
    pieces = runs.pieces(attempt, limit=100_000)
    whole = b"".join(b"%099d\n" % number for number in range(200_000))
    assert all(whole[piece.start :].startswith(piece.data) for piece in pieces)
    head = [piece for piece in pieces if piece.start < MIB // 2]
    assert sum(len(piece.data) for piece in head) == MIB // 2
    kept = sum(len(piece.data) for piece in pieces)
    assert 0.8 * MIB <= kept <= MIB
    assert pieces[-1].start + len(pieces[-1].data) == 20_000_000 and pieces[-1].complete
    folder = runs.home / "attempts" / attempt / "out"
    assert sum(file.stat().st_size for file in folder.iterdir()) == kept


def test_a_chatty_job_costs_its_supervisor_little(runs: Runs) -> None:
    """100 MB through the pipe; the supervisor's own processor time stays far below the job's."""
    attempt = runs.start("head -c 100000000 /dev/zero; echo; echo $PPID; sleep 300", log_limit=4 * MIB)
    runs.says(attempt, b"\n")
    wait_until(lambda: runs.log(attempt).endswith(b"\n"), what="the last line")
    supervisor = runs.log(attempt).split()[-1].decode()
    ticks = sum(map(int, Path(f"/proc/{supervisor}/stat").read_bytes().rpartition(b")")[2].split()[11:13]))
    assert ticks < 200  # two seconds, on the slowest of machines


def test_a_supervisor_sleeps_while_its_job_does(runs: Runs) -> None:
    attempt = runs.start("echo $PPID; sleep 300")
    runs.says(attempt, b"\n")
    stat = Path(f"/proc/{runs.log(attempt).strip().decode()}/stat")
    wait_until(lambda: stat.read_bytes().rpartition(b")")[2].split()[0] == b"S", what="sleep")


def test_a_daemon_that_holds_the_pipe_hangs_nothing(runs: Runs) -> None:
    attempt = runs.start("setsid sleep 300 & echo done")
    runs.end_of(attempt)
    assert runs.log(attempt) == b"done\n"


@pytest.fixture
def small_disk(open_folder: Path) -> Iterator[Path]:
    require_root()
    disk = open_folder / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m,mode=711", "none", str(disk)], check=True)
    yield disk
    unmounted = ["umount", "--quiet", str(disk)]  # once the last supervisor has left its folder
    wait_until(lambda: subprocess.run(unmounted, check=False).returncode == 0, what="the disk to be free")


@pytest.fixture
def cramped(small_disk: Path) -> Iterator[Runs]:
    made = Runs(small_disk / "data" / "local")
    yield made
    made.close()


def test_a_job_that_fills_the_disk(cramped: Runs) -> None:
    attempt = cramped.start("head -c 50000000 /dev/zero >big || exit 7")
    seen = cramped.end_of(attempt)
    assert (seen.cause, seen.exit_code) == (EndCause.DISK_FULL, 7)
    assert b"No space left on device" in cramped.log(attempt)


def test_an_end_is_recorded_on_a_full_disk(cramped: Runs) -> None:
    seen = cramped.end("head -c 50000000 /dev/zero >big; exit 0")
    assert (seen.cause, seen.exit_code) == (EndCause.EXITED, 0)


def test_a_job_whose_supervisor_has_no_room_is_not_started_and_says_why(small_disk: Path) -> None:
    clock = itertools.count(step=1000).__next__
    runs = Runs(small_disk / "data" / "local", clock=clock)
    launch = runs.launch("true")
    runs.engine._create(launch)
    fill(small_disk)
    seen = runs.end_of(launch.attempt_id)
    assert seen.cause is EndCause.NOT_STARTED
    assert "No space left on device" in seen.detail
    folder = runs.home / "attempts" / launch.attempt_id
    assert [*folder.glob("claim.*"), *folder.glob("ended.*")] == []
    runs.close()


def fill(disk: Path) -> None:
    with contextlib.suppress(OSError), (disk / "filler").open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))


def test_output_waits_for_room(cramped: Runs) -> None:
    """No byte is lost where the disk was full for a moment: the job is held back by its pipe."""
    filler = cramped.home.parent / "filler"
    attempt = cramped.start("echo ready; until [ -e ../../../go ]; do sleep 0.02; done; head -c 3000000 /dev/zero")
    cramped.says(attempt, b"ready")
    with filler.open("wb") as file:
        disk = os.statvfs(cramped.home)
        file.write(bytes(disk.f_bavail * disk.f_frsize - 2 * MIB))
    (cramped.home / "go").touch()
    wait_until(lambda: cramped.look(attempt).log_size > MIB, what="the disk to fill", seconds=30)
    filler.unlink()
    seen = cramped.end_of(attempt)
    assert (seen.exit_code, seen.log_size) == (0, 3_000_006)


SMALL = Share(node="here", cpu_tenths=10, memory_tenths=1)
EATS = "python3 -c 'x = bytearray(500 << 20); print(len(x))'"


def test_memory_is_enforced(runs: Runs) -> None:
    assert runs.end(EATS, share=SMALL).cause is EndCause.OUT_OF_MEMORY


def test_out_of_memory_ends_the_whole_job(runs: Runs) -> None:
    seen = runs.end(f"{EATS}; sleep 300", share=SMALL)
    assert seen.cause is EndCause.OUT_OF_MEMORY


def test_out_of_memory_in_setup(runs: Runs) -> None:
    assert runs.end("true", setup=EATS, share=SMALL).cause is EndCause.OUT_OF_MEMORY


def test_processors_are_enforced(runs: Runs) -> None:
    spin = "from time import *\nt, p = monotonic(), process_time()\nwhile monotonic() - t < 1: pass"
    attempt = runs.start(
        f"python3 -c '{spin}\nprint(process_time() - p)'", share=Share(node="here", cpu_tenths=2, memory_tenths=5)
    )
    runs.end_of(attempt)
    assert float(runs.log(attempt)) < 0.6


def test_control_groups_are_removed(runs: Runs) -> None:
    attempt = runs.start("setsid sleep 300 & true")
    runs.end_of(attempt)
    assert list(Path("/sys/fs/cgroup").glob(f"**/{attempt}")) == []

"""The data folder: private, locked by one server, and known by the same host id at every start."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from app.datadir import DataDir, DataDirError, free_fraction

HOLD = "import sys; from pathlib import Path; from app.datadir import DataDir; d = DataDir.open(Path(sys.argv[1])); " \
    "print('held', flush=True); sys.stdin.read()"  # fmt: skip


def test_a_new_folder_is_private_and_an_old_one_keeps_its_mode(tmp_path: Path) -> None:
    assert stat.S_IMODE(DataDir.at(tmp_path / "a" / "b").path.stat().st_mode) == 0o700
    (tmp_path / "old").mkdir(mode=0o711)
    assert stat.S_IMODE(DataDir.at(tmp_path / "old").path.stat().st_mode) == 0o711


def test_what_is_no_folder_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataDirError, match="can't be made"):
        DataDir.at(tmp_path / "file")


def test_the_lock_names_its_holder_and_ends_with_it(tmp_path: Path) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with holder:
        assert holder.stdout and holder.stdout.readline() == "held\n"
        with pytest.raises(DataDirError, match=f"in use by process {holder.pid} on {os.uname().nodename}"):
            DataDir.open(tmp_path)
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        DataDir.open(tmp_path).close()


def test_a_child_of_the_server_does_not_hold_the_lock(tmp_path: Path) -> None:
    folder = DataDir.open(tmp_path)
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, close_fds=False):
        folder.close()
        DataDir.open(tmp_path).close()


def test_the_host_id_is_made_once(tmp_path: Path) -> None:
    folder = DataDir.at(tmp_path)
    with ThreadPoolExecutor(8) as pool:
        ids = set(pool.map(lambda _: folder.host_id, range(32)))
    assert ids == {DataDir.at(tmp_path).host_id} and len(ids.pop()) == 16
    assert [file.name for file in tmp_path.iterdir()] == ["host-id"]


def test_the_free_part_of_the_disk(tmp_path: Path) -> None:
    assert 0 < free_fraction(tmp_path) < 1


def test_the_free_part_of_the_disk_on_which_a_folder_will_be(tmp_path: Path) -> None:
    assert 0 < free_fraction(tmp_path / "to" / "be" / "made") < 1

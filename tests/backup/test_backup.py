"""Backups: whole beside a writer too, sealed, and never half a file in the place of a whole one."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from app.backup import databases
from app.backup.archive import BACKUP_STAGE, staging
from app.backup.draft import draft_of
from app.backup.errors import BackupError
from app.backup.sealed_file import SealedReader
from app.datadir import DataDir
from app.db import Database
from app.settings import Settings
from app.site import Site
from app.stores.logs import LogState
from app.stores.objects import open_store
from tests.backup.places import SECRETS, WORDS, restored, saved
from tests.peers import ROOT


def test_nothing_of_it_can_be_read_without_the_passphrase(site: Site, tmp_path: Path) -> None:
    site.logs.append("job_1", LogState(), b"the log's own words\n" * 10)
    file = saved(site, tmp_path / "b").read_bytes()
    assert b"own words" not in file and site.keyring.keys[0].encode() not in file
    with (tmp_path / "b").open("rb") as raw, SealedReader(raw, WORDS) as plain:
        assert b"own words" in plain.read()


def test_log_sizes_in_the_copy_never_exceed_the_copied_bytes(site: Site, elsewhere: Settings, tmp_path: Path) -> None:
    stop, began = threading.Event(), threading.Event()

    def write() -> None:
        state = LogState()
        while not stop.is_set():
            state = site.logs.append("job_1", state, b"x" * 5000)
            with site.db.write() as session:
                session.connection().exec_driver_sql(f"PRAGMA user_version = {state.size}")
            began.set()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        assert began.wait(10)
        file = saved(site, tmp_path / "b")
    finally:
        stop.set()
        writer.join()
    restored(elsewhere, file)
    db = Database(elsewhere.database, pool_size=1)
    with db.read() as session:
        size = int(session.connection().exec_driver_sql("PRAGMA user_version").scalar_one())
    db.close()
    stored = sum(entry.size for entry in open_store(DataDir.at(elsewhere.lattice_data_dir).files).list("logs/job_1"))
    assert 0 < size <= stored


def test_a_backup_of_another_database_is_refused(site: Site, tmp_path: Path) -> None:
    file = saved(site, tmp_path / "b")
    other = Settings(_env_file=None, lattice_data_dir=tmp_path / "other", database_url="postgresql://h/d", **SECRETS)
    with pytest.raises(BackupError, match="of a sqlite database, but DATABASE_URL names postgresql"):
        restored(other, file, force=True)


def test_a_failed_backup_leaves_the_last_one(site: Site, tmp_path: Path) -> None:
    file = saved(site, tmp_path / "b")
    before = file.read_bytes()
    (site.settings.lattice_data_dir / "secret-keys").write_text("bent")
    with pytest.raises(Exception, match="secret-keys is wrong"):
        saved(site, tmp_path / "b")
    assert file.read_bytes() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["b", "data", "lattice.db", "lattice.db-shm", "lattice.db-wal"]
    assert not (site.datadir.path / ".backup").exists()


@contextmanager
def room_for(size: int) -> Iterator[None]:
    """No file of this process grows beyond that; as on a full disk, the last write takes only a part."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_backup_without_room_for_its_last_bytes_leaves_the_last_one(site: Site, tmp_path: Path) -> None:
    site.logs.append("job_1", LogState(), b"line\n" * 300_000)
    file = saved(site, tmp_path / "b")
    before = file.read_bytes()
    with room_for(len(before) - 100), pytest.raises(BackupError, match=r"^The backup can't be written to .*/b: .*\.$"):
        saved(site, file)
    assert file.read_bytes() == before
    assert not list(tmp_path.glob(".b*"))


def test_two_backups_to_one_file_at_once_do_not_touch_each_other(site: Site, tmp_path: Path) -> None:
    file = tmp_path / "b"
    with draft_of(file) as raw:
        raw.write(b"another server's")
        saved(site, file)
        assert len(list(tmp_path.glob(".b.*"))) == 1
        with staging(site.datadir, BACKUP_STAGE), pytest.raises(BackupError, match="Another backup"):
            saved(site, file)
    assert file.read_bytes() == b"another server's"
    assert not list(tmp_path.glob(".b*"))


def test_what_a_killed_backup_left_is_removed_by_the_next(site: Site, tmp_path: Path) -> None:
    (tmp_path / ".b.12345678.part").write_bytes(b"half")
    (tmp_path / ".bee.12345678.part").write_bytes(b"another's")
    saved(site, tmp_path / "b")
    assert [p.name for p in tmp_path.glob(".b*")] == [".bee.12345678.part"]


def test_a_backup_follows_a_link_and_replaces_only_a_regular_file(site: Site, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "to-pipe").symlink_to("pipe")
    for wrong in ("pipe", "to-pipe", "data"):
        with pytest.raises(BackupError, match="is there and is not a regular file"):
            saved(site, tmp_path / wrong)
    assert (tmp_path / "pipe").is_fifo() and (tmp_path / "to-pipe").is_symlink()
    (tmp_path / "link").symlink_to("b")
    saved(site, tmp_path / "link")
    assert (tmp_path / "link").is_symlink() and (tmp_path / "b").stat().st_size > 0


def test_a_backup_that_is_told_to_end_leaves_no_draft(tmp_path: Path) -> None:
    """In a process of its own, which tells when its draft is there and would then write for ever."""
    command = (
        "import sys, time; from pathlib import Path; from app.backup.draft import draft_of\n"
        "from app.cli.signals import signals_unwind\n"
        "with signals_unwind(), draft_of(Path(sys.argv[1])):\n    print('there', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", command, tmp_path / "b"], stdout=subprocess.PIPE, cwd=ROOT) as process:
        assert process.stdout and process.stdout.readline() == b"there\n"
        assert list(tmp_path.glob(".b.*"))
        process.terminate()
        assert process.wait(20) == 128 + signal.SIGTERM
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("program", ["pg_dump", "pg_restore"])
def test_without_postgres_programs_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, program: str
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    act = databases.snapshot if program == "pg_dump" else databases.load_postgres
    with pytest.raises(BackupError, match=f"The program {program} is missing; install"):
        act("postgresql://u:p@h/d", tmp_path / "file")


def test_postgres_programs_get_the_address_in_their_environment_alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "pg_dump").write_text(f'#!/bin/sh\necho "$@" >{tmp_path}/arguments; env >{tmp_path}/environment\n')
    (tmp_path / "pg_dump").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    databases.snapshot("postgresql+psycopg://u:hidden%21@h:6543/d?sslmode=require", tmp_path / "file")
    assert "hidden" not in (tmp_path / "arguments").read_text()
    found = set((tmp_path / "environment").read_text().splitlines())
    assert found >= {"PGHOST=h", "PGPORT=6543", "PGUSER=u", "PGPASSWORD=hidden!", "PGDATABASE=d", "PGSSLMODE=require"}

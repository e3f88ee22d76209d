"""Restore: everything is back, and nothing is replaced before all of it is sound."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from app.backup.archive import back_up
from app.backup.errors import BackupError
from app.datadir import DataDir
from app.main import close_site, open_site
from app.migrate import upgrade
from app.settings import Settings, SettingsError
from app.site import Site
from app.stores.logs import CELL, LogState
from app.stores.objects import open_store
from tests.backup.places import SECRETS, WORDS, no_room, outside, restored, saved, tables
from tests.peers.postgres import Postgres
from tests.peers.server import ServerMaker


@pytest.mark.database
def test_everything_is_back_in_an_empty_place(site: Site, elsewhere: Settings, tmp_path: Path) -> None:
    state = site.logs.append("job_1", LogState(), b"line\n" * 300_000)
    file = saved(site, tmp_path / "b")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    told = restored(elsewhere, file)
    assert told[0].startswith("Restored the backup of 20")
    assert tables(elsewhere) == tables(site.settings) and tables(elsewhere)["organization"]
    back = open_site(elsewhere)
    try:
        assert back.logs.read("job_1", state, CELL - 3, 9) == site.logs.read("job_1", state, CELL - 3, 9)
        assert back.logs.tail("job_1", state, 2) == site.logs.tail("job_1", state, 2)
        assert back.keyring.keys == site.keyring.keys
        assert back.cookie_passwords == site.cookie_passwords
        assert back.datadir.host_id == site.datadir.host_id
    finally:
        close_site(back)


@pytest.mark.database
def test_a_place_that_is_not_empty_is_refused_and_by_force_moved_aside(
    site: Site, elsewhere: Settings, tmp_path: Path
) -> None:
    file = saved(site, tmp_path / "b")
    upgrade(elsewhere.database)
    folder = DataDir.at(elsewhere.lattice_data_dir).path
    (folder / "mine").write_text("keep me")
    (folder / "local" / "attempts").mkdir(parents=True)
    with pytest.raises(BackupError, match="not empty"):
        restored(elsewhere, file)
    told = restored(elsewhere, file, force=True)
    (aside,) = folder.glob("before-restore-*")
    assert str(aside) in told[1] and (aside / "mine").read_text() == "keep me"
    assert (folder / "local" / "attempts").is_dir(), "jobs that run there must be found again"
    assert tables(elsewhere) == tables(site.settings)


@pytest.mark.parametrize("wrong", ["passphrase", "cut", "bit"])
def test_nothing_is_touched_before_all_of_it_is_sound(
    site: Site, elsewhere: Settings, tmp_path: Path, wrong: str
) -> None:
    site.logs.append("job_1", LogState(), b"line\n" * 500_000)
    whole = saved(site, tmp_path / "b").read_bytes()
    bent = {"passphrase": whole, "cut": whole[:-9], "bit": whole[:-9] + bytes([whole[-9] ^ 1]) + whole[-8:]}
    (tmp_path / "b").write_bytes(bent[wrong])
    upgrade(elsewhere.database)
    before = tables(elsewhere)
    with pytest.raises(BackupError):
        restored(elsewhere, tmp_path / "b", "not it" if wrong == "passphrase" else WORDS, force=True)
    assert tables(elsewhere) == before
    assert {entry.name for entry in elsewhere.lattice_data_dir.iterdir()} <= {
        "lock", "lattice.db", "lattice.db-wal", "lattice.db-shm"
    }  # fmt: skip


@contextmanager
def failing_renames(fails: Callable[[str, str], bool]) -> Iterator[None]:
    """Renames of which that is true fail, as between file systems."""
    rename = Path.rename

    def rename_or_fail(source: Path, target: Path) -> Path:
        if fails(str(source), str(target)):
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
        return rename(source, target)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "rename", rename_or_fail)
        yield


def contents(folder: Path) -> dict[str, bytes]:
    """Every file under the folder but its lock, the empty folders too."""
    found = [path for path in folder.rglob("*") if path.name != "lock"]
    return {str(path): path.read_bytes() if path.is_file() else b"" for path in found}


def full_place(settings: Settings) -> None:
    """What a restore by force finds: a database, and files."""
    upgrade(settings.database)
    folder = DataDir.at(settings.lattice_data_dir).path
    (folder / "files" / "logs").mkdir(parents=True)
    (folder / "files" / "logs" / "old").write_text("keep me")
    (folder / "host-id").write_text("0123456789abcdef\n")


def test_a_restore_without_room_for_the_database_leaves_all_as_it_was(
    site: Site, elsewhere: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = saved(site, tmp_path / "b")
    there = outside(elsewhere, tmp_path)
    full_place(there)
    before = contents(tmp_path)
    monkeypatch.setattr("app.backup.restoring.mkstemp", no_room)
    with pytest.raises(BackupError) as wrong:
        restored(there, file, force=True)
    assert str(wrong.value) == (
        "The backup can't be put in place: No space left on device; what was there is as it was."
    )
    assert contents(tmp_path) == before


@pytest.mark.parametrize("fails_at", ["host-id", "files", "lattice.db"])
def test_a_restore_that_fails_at_a_move_puts_back_what_it_moved_aside(
    site: Site, elsewhere: Settings, tmp_path: Path, fails_at: str
) -> None:
    site.logs.append("job_1", LogState(), b"line\n")
    file = saved(site, tmp_path / "b")
    full_place(elsewhere)
    before = contents(tmp_path)
    place = str(elsewhere.lattice_data_dir.resolve() / fails_at)
    said = r"^The backup can't be put in place: .*; what was there is as it was\.$"
    fails = failing_renames(lambda source, target: target == place and ".restore" in source)
    with fails, pytest.raises(BackupError, match=said):
        restored(elsewhere, file, force=True)
    assert contents(tmp_path) == before


def test_where_the_old_things_are_is_said_when_they_cannot_be_put_back(
    site: Site, elsewhere: Settings, tmp_path: Path
) -> None:
    file = saved(site, tmp_path / "b")
    full_place(elsewhere)
    with failing_renames(lambda source, target: "before-restore" not in target), pytest.raises(BackupError) as wrong:
        restored(elsewhere, file, force=True)
    (aside,) = elsewhere.lattice_data_dir.glob("before-restore-*")
    assert str(wrong.value).endswith(f"it is in {aside.resolve()}.")
    assert (aside / "files" / "logs" / "old").read_text() == "keep me"


def test_a_database_outside_of_the_data_folder_is_restored_and_moved_aside_beside_itself(
    site: Site, elsewhere: Settings, tmp_path: Path
) -> None:
    file = saved(site, tmp_path / "b")
    there = outside(elsewhere, tmp_path)
    full_place(there)
    told = restored(there, file, force=True)
    (aside,) = (tmp_path / "volume").glob("before-restore-*")
    assert str(aside.resolve()) in told[1] and (aside / "own.db").exists()
    assert tables(there) == tables(site.settings)
    assert stat.S_IMODE((tmp_path / "volume" / "own.db").stat().st_mode) == 0o600


def test_a_store_that_cannot_be_opened_is_told_before_anything_is_touched(
    site: Site, elsewhere: Settings, tmp_path: Path
) -> None:
    file = saved(site, tmp_path / "b")
    full_place(elsewhere)
    (tmp_path / "taken").write_text("a file")
    before = contents(tmp_path)
    for wrong, said in ((tmp_path / "taken", "that can't be opened: "), ("nope://x", "that is no store: ")):
        there = elsewhere.model_copy(update={"lattice_store": str(wrong)})
        with pytest.raises(SettingsError, match=f"^LATTICE_STORE is .*{said}"):
            restored(there, file, force=True)
    assert contents(tmp_path) == before


def test_a_store_elsewhere_gets_the_objects(site: Site, elsewhere: Settings, tmp_path: Path) -> None:
    state = site.logs.append("job_1", LogState(), b"line\n")
    file = saved(site, tmp_path / "b")
    there = elsewhere.model_copy(update={"lattice_store": str(tmp_path / "store")})
    restored(there, file)
    kept = open_store(tmp_path / "store")
    assert {stored.key for stored in kept.list()} == {stored.key for stored in open_store(site.datadir.files).list()}
    assert sum(stored.size for stored in kept.list("logs/job_1")) >= state.size


@pytest.mark.postgres
def test_a_database_that_a_server_works_on_is_refused(
    postgres: Postgres, new_server: ServerMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = postgres.new_database()
    there = Settings(_env_file=None, lattice_data_dir=tmp_path / "data", database_url=url, **SECRETS)
    upgrade(there.database)
    back_up(there, DataDir.at(there.lattice_data_dir), tmp_path / "b", WORDS)
    secrets = {name.upper(): value for name, (value,) in SECRETS.items()}
    server = new_server(DATABASE_URL=url, **secrets)
    server.start()
    server.sign_in_link()  # the last that a start writes
    before = tables(there)
    with pytest.raises(BackupError, match=r"^A server is at work on this database; stop it first\.$"):
        restored(there, tmp_path / "b", force=True)
    assert tables(there) == before and before["organization"]
    server.stop()
    monkeypatch.setattr("app.backup.at_work.WATCH", 0.1)  # its beats are young, but it has ended
    restored(there, tmp_path / "b", force=True)
    assert not tables(there)["organization"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root restores for another user")
@pytest.mark.parametrize("store", ["", "store"])
@pytest.mark.parametrize("database", ["", "volume/lattice.db"])
def test_what_root_restores_belongs_to_the_owner_of_the_data_folder(
    site: Site, tmp_path: Path, store: str, database: str
) -> None:
    nobody = 65534
    site.logs.append("job_1", LogState(), b"line\n")
    file = saved(site, tmp_path / "b")
    places: dict[str, Any] = {
        "lattice_store": store and str(tmp_path / "new" / store),
        "database_url": database and f"sqlite:///{tmp_path / 'new' / database}",
    }
    there = Settings(_env_file=None, lattice_data_dir=tmp_path / "new" / "data", **places)
    folder = DataDir.at(there.lattice_data_dir).path
    for path in (folder.parent, folder):
        os.chown(path, nobody, nobody)
    (folder / "mine").write_text("root's own, which is moved aside")
    restored(there, file, force=True)
    found = {path.relative_to(folder.parent).as_posix(): path.stat().st_uid for path in folder.parent.rglob("*")}
    assert {"data/lock", "data/host-id"} <= found.keys()
    assert [Path(name).name for name, owner in found.items() if owner != nobody] == ["mine"]

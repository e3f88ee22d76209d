"""The one writer of an SQLite database: writes that come together share a commit, and nothing else."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.engine import Connection
from sqlalchemy.exc import OperationalError

from app.sqlite import DatabaseFile, Writer, sqlite_engine
from tests.peers import wait_until


class House:
    """A writer over a table of names, threads that write, and every commit that the database saw."""

    def __init__(self, file: Path, threads: ThreadPoolExecutor) -> None:
        self.file = file
        url = f"sqlite:///{file}"
        self.engine = sqlite_engine(url, 4)
        self.writer = Writer(url, DatabaseFile(url))
        self.threads = threads
        self.commits: list[str] = []
        self.kept: list[Any] = []  # results, so that none is closed for want of a holder
        with self.writer.transaction() as connection:
            connection.execute(text("CREATE TABLE seen (name TEXT PRIMARY KEY)"))
            driver(connection).set_trace_callback(self._trace)
        self.commits.clear()

    def _trace(self, statement: str) -> None:
        if statement == "COMMIT":
            self.commits.append(statement)

    @property
    def names(self) -> list[str]:
        with self.engine.connect() as connection:
            return list(connection.execute(text("SELECT name FROM seen ORDER BY name")).scalars())

    def write(self, name: str) -> None:
        with self.writer.transaction() as connection:
            self.kept.append(add(connection, name))

    def behind_one(self, first: str, *others: str) -> tuple[Future[None], list[Future[None]]]:
        """`first` writes, and does not end before each of the others waits for its turn."""
        began, go = threading.Event(), threading.Event()

        def slowly() -> None:
            with self.writer.transaction() as connection:
                add(connection, first)
                began.set()
                assert go.wait(10)

        slow = self.threads.submit(slowly)
        assert began.wait(10)
        waiting = [self.threads.submit(self.write, name) for name in others]
        wait_until(lambda: self.writer.waiting == len(others), what="the others to wait")
        assert self.names == []
        go.set()
        return slow, waiting


def add(connection: Connection, name: str) -> Any:
    """Write the name. Some are ill, each in a way of its own."""
    two = text("INSERT INTO seen VALUES ('half'), ('a write') RETURNING name")
    match name:
        case "mistaken":
            connection.execute(two).all()
            raise ValueError(name)
        case "undone":  # as SQLite itself does where a disk fails
            return driver(connection).execute("ROLLBACK")
        case "unread":  # SQLite releases no savepoint and commits nothing before it is read to its end
            return connection.execute(two)
        case "unread mistake":
            rows = connection.execute(two)
            raise Unread(rows)
        case _:
            return connection.execute(text("INSERT INTO seen VALUES (:name)"), {"name": name})


class Unread(Exception):
    """Holds rows that were not read."""


def driver(connection: Connection) -> sqlite3.Connection:
    found = connection.connection.driver_connection
    assert isinstance(found, sqlite3.Connection)
    return found


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    monkeypatch.setattr("app.sqlite.LONGEST_WAIT", 60.0)
    with ThreadPoolExecutor(8) as threads:
        made = House(tmp_path / "some.db", threads)
        yield made
        made.writer.close()
        made.engine.dispose()


def test_writes_that_waited_are_committed_at_once(house: House) -> None:
    slow, waiting = house.behind_one("a", "b", "c", "d")
    for future in (slow, *waiting):
        future.result(10)
    assert house.names == ["a", "b", "c", "d"]
    assert len(house.commits) == 1


def test_a_write_that_nobody_waits_behind_is_committed_alone(house: House) -> None:
    house.write("a")
    house.write("b")
    assert house.names == ["a", "b"]
    assert len(house.commits) == 2


def test_a_write_that_fails_among_others_is_undone_alone(house: House) -> None:
    slow, (mistaken, *others) = house.behind_one("a", "mistaken", "b", "c")
    with pytest.raises(ValueError, match="mistaken"):
        mistaken.result(10)
    for future in (slow, *others):
        future.result(10)
    assert house.names == ["a", "b", "c"]


def test_a_first_write_that_fails_leaves_the_rest(house: House) -> None:
    slow, waiting = house.behind_one("a", "b")
    slow.result(10)
    waiting[0].result(10)
    with pytest.raises(ValueError, match="mistaken"):
        house.write("mistaken")
    house.write("c")
    assert house.names == ["a", "b", "c"]


@pytest.mark.parametrize("ill", ["undone", "unread", "unread mistake"])
def test_all_are_told_whether_their_write_was_kept(house: House, ill: str) -> None:
    slow, waiting = house.behind_one("a", ill, "b", "c")
    wrong = dict(zip(("a", ill, "b", "c"), (future.exception(10) for future in (slow, *waiting)), strict=True))
    assert wrong[ill] is not None
    assert house.names == [name for name, error in wrong.items() if error is None]
    house.write("d")
    house.write("e")
    assert house.names[-2:] == ["d", "e"]


@pytest.mark.parametrize("ill", ["undone", "unread", "unread mistake"])
def test_another_program_can_write_after_a_write_that_failed(house: House, ill: str) -> None:
    with pytest.raises((OperationalError, Unread)):
        house.write(ill)
    assert house.names == []
    with closing(sqlite3.connect(house.file, timeout=0)) as other:
        other.execute("INSERT INTO seen VALUES ('theirs')")
        other.commit()
    house.write("ours")
    assert house.names == ["ours", "theirs"]


def test_an_interrupted_commit_is_told_to_those_who_share_it(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(house.writer._engine.dialect, "do_commit", interrupted)
        slow, waiting = house.behind_one("a", "b")
        wrong = {type(future.exception(10)) for future in (slow, *waiting)}
    assert wrong == {KeyboardInterrupt, OperationalError}
    assert house.names == []
    house.write("c")
    assert house.names == ["c"]


def test_a_write_that_has_waited_long_waits_for_no_other(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.sqlite.LONGEST_WAIT", 0.0)
    slow, waiting = house.behind_one("a", "b", "c")
    for future in (slow, *waiting):
        future.result(10)
    assert len(house.commits) == 3


def test_nothing_is_kept_of_writes_to_a_file_that_was_removed(house: House) -> None:
    def removing() -> None:
        with house.writer.transaction() as connection:
            add(connection, "a")
            house.file.rename(house.file.with_suffix(".away"))

    with pytest.raises(OperationalError, match="removed or replaced"):
        house.threads.submit(removing).result(10)
    with pytest.raises(OperationalError, match="removed or replaced"):
        house.write("b")
    assert not house.file.exists()
    house.file.with_suffix(".away").rename(house.file)
    house.write("c")
    assert house.names == ["c"]


def test_closing_keeps_what_others_left_uncommitted(house: House) -> None:
    slow, waiting = house.behind_one("a", "b", "c", "d")
    house.writer.close()
    kept = [name for name, future in zip("abcd", (slow, *waiting), strict=True) if future.exception(10) is None]
    assert house.names == kept == ["a", "b", "c", "d"]


def test_many_at_once_lose_nothing(house: House) -> None:
    names = [f"{number:04}" for number in range(400)]
    list(house.threads.map(house.write, names))
    assert house.names == names
    assert len(house.commits) <= len(names)

"""The one writer of an SQLite database: writes that come together share a commit, and nothing else."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.engine import Connection
from sqlalchemy.exc import OperationalError

from app.sqlite import DatabaseFile, Writer, sqlite_engine
from tests.peers import wait_until


class House:
    """A writer over a table of names, threads that write, and every commit that the database saw."""

    def __init__(self, file: Path, threads: ThreadPoolExecutor) -> None:
        url = f"sqlite:///{file}"
        self.engine = sqlite_engine(url, 4)
        self.writer = Writer(url, DatabaseFile(self.engine))
        self.threads = threads
        self.commits: list[str] = []
        with self.writer.transaction() as connection:
            connection.execute(text("CREATE TABLE seen (name TEXT PRIMARY KEY)"))
            connection.connection.driver_connection.set_trace_callback(self._trace)  # type: ignore[union-attr]
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
            add(connection, name)

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


def add(connection: Connection, name: str) -> None:
    """Write the name; two of them fail in their own way."""
    if name == "undone":  # as SQLite itself does where a disk fails
        connection.connection.driver_connection.execute("ROLLBACK")  # type: ignore[union-attr]
        return
    if name == "ill":
        connection.execute(text("INSERT INTO seen VALUES ('before the mistake')"))
        raise ValueError(name)
    connection.execute(text("INSERT INTO seen VALUES (:name)"), {"name": name})


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
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
    slow, (ill, *others) = house.behind_one("a", "ill", "b", "c")
    with pytest.raises(ValueError, match="ill"):
        ill.result(10)
    for future in (slow, *others):
        future.result(10)
    assert house.names == ["a", "b", "c"]


def test_a_first_write_that_fails_leaves_the_rest(house: House) -> None:
    slow, waiting = house.behind_one("a", "b")
    slow.result(10)
    waiting[0].result(10)
    with pytest.raises(ValueError, match="ill"):
        house.write("ill")
    house.write("c")
    assert house.names == ["a", "b", "c"]


def test_who_shares_a_commit_that_fails_is_told(house: House) -> None:
    slow, (undone,) = house.behind_one("a", "undone")
    for future in (slow, undone):
        with pytest.raises(OperationalError):
            future.result(10)
    assert house.names == []
    house.write("b")
    assert house.names == ["b"]


def test_nobody_writes_outside_a_transaction_that_sqlite_undid(house: House) -> None:
    slow, waiting = house.behind_one("a", "undone", "b", "c")
    results = [future.exception(10) for future in (slow, *waiting)]
    told = {name for name, wrong in zip(("a", "undone", "b", "c"), results, strict=True) if wrong is None}
    assert set(house.names) == told
    assert "undone" not in told
    assert all(isinstance(wrong, OperationalError) for wrong in results if wrong is not None)


def test_after_a_write_that_sqlite_undid_the_next_is_kept(house: House) -> None:
    with pytest.raises(OperationalError):
        house.write("undone")
    house.write("a")
    assert house.names == ["a"]


def test_many_at_once_lose_nothing(house: House) -> None:
    names = [f"{number:04}" for number in range(400)]
    list(house.threads.map(house.write, names))
    assert house.names == names
    assert len(house.commits) <= len(names)

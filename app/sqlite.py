"""SQLite under SQLAlchemy: connections as the server needs them, and the one writer whose commits writes share."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from sqlalchemy import Engine, create_engine, event, make_url
from sqlalchemy.dialects import registry
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.engine import Connection, RootTransaction
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import OperationalError, SQLAlchemyError
from sqlalchemy.pool import ConnectionPoolEntry, PoolProxiedConnection

BUSY_SECONDS = 15
MOST_TOGETHER = 32  # writes that share a commit
LONGEST_WAIT = 0.05  # seconds after which a commit waits for no further write
VANISHED = "The database's file was removed or replaced under the server: stop it, and put the file back."
UNDONE = "SQLite undid the transaction."
PRAGMAS = (
    "journal_mode=WAL",
    "synchronous=FULL",
    "wal_autocheckpoint=4000",  # pages: hot ones are written back once for many commits
    "foreign_keys=ON",
    "cache_size=-16000",
    "temp_store=MEMORY",
)


class _Dialect(SQLiteDialect_pysqlite):
    """Begins its transactions itself, and sets savepoints without compiling a statement for each.

    An engine with a listener to "begin" instead would look for listeners at each statement.
    """

    supports_statement_cache = True
    begin = "BEGIN"

    def do_begin(self, dbapi_connection: PoolProxiedConnection) -> None:
        _driver(dbapi_connection).execute(self.begin)

    def do_savepoint(self, connection: Connection, name: str) -> None:
        _run(connection, f"SAVEPOINT {name}")

    def do_rollback_to_savepoint(self, connection: Connection, name: str) -> None:
        _run(connection, f"ROLLBACK TO {name}")

    def do_release_savepoint(self, connection: Connection, name: str) -> None:
        _run(connection, f"RELEASE {name}")


registry.register("sqlite.lattice", __name__, _Dialect.__name__)


def _driver(pooled: PoolProxiedConnection) -> sqlite3.Connection:
    driver = pooled.driver_connection
    assert isinstance(driver, sqlite3.Connection)
    return driver


class SavepointFailed(OperationalError):
    """A savepoint could not be set, kept or undone: what is in the transaction is no longer known."""


def _run(connection: Connection, statement: str) -> None:
    try:
        _driver(connection.connection).execute(statement)
    except sqlite3.Error as error:
        raise SavepointFailed(statement, None, error) from error


def sqlite_engine(url: str, pool_size: int, *, begin: str = "BEGIN") -> Engine:
    """An engine whose connections begin each transaction with `begin`."""
    engine = create_engine(
        make_url(url).set(drivername="sqlite+lattice"), pool_size=pool_size, max_overflow=8, pool_use_lifo=True,
        hide_parameters=True, connect_args={"timeout": BUSY_SECONDS, "check_same_thread": False},
    )  # fmt: skip
    assert isinstance(engine.dialect, _Dialect)
    engine.dialect.begin = begin
    event.listen(engine, "connect", _prepare)
    return engine


def _prepare(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
    assert isinstance(connection, sqlite3.Connection)
    connection.isolation_level = None  # transactions are begun by the dialect, not by the driver
    for pragma in PRAGMAS:
        connection.execute(f"PRAGMA {pragma}")


class DatabaseFile:
    """The file as it was first opened: who still writes to one that was removed writes to nowhere."""

    def __init__(self, url: str) -> None:
        self._path = make_url(url).database or ""
        self._opened: tuple[int, int] | None = None

    def watch(self, engine: Engine) -> None:
        """Note what the engine's first connection opens."""
        event.listen(engine, "connect", self._note)

    def _note(self, _connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
        self._opened = self._opened or self._now()

    def _now(self) -> tuple[int, int] | None:
        try:
            found = os.stat(self._path)
        except OSError:
            return None
        return found.st_dev, found.st_ino

    def has_vanished(self) -> bool:
        return self._opened is not None and self._now() != self._opened


class _Batch:
    """Writes, each in a savepoint of one transaction, that one commit makes durable."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.failure: BaseException | None = None
        self._root: RootTransaction = connection.begin()
        self._began = time.monotonic()
        self._size = 0
        self._is_spoilt = False
        self._ended = threading.Event()

    @contextmanager
    def part(self) -> Iterator[Connection]:
        """One write, which is undone alone where it fails."""
        self._size += 1
        try:
            with self.connection.begin_nested():
                yield self.connection
        except SavepointFailed:
            self._is_spoilt = True
            raise

    @property
    def is_full(self) -> bool:
        """Whether it should be committed though others wait."""
        return self._size >= MOST_TOGETHER or time.monotonic() - self._began >= LONGEST_WAIT or not self._is_whole

    @property
    def _is_whole(self) -> bool:
        """False where a savepoint failed, or SQLite undid all, as it may when a disk is full or fails."""
        return not self._is_spoilt and _driver(self.connection.connection).in_transaction

    def commit(self, file: DatabaseFile) -> None:
        """Commit, and let those who wait go on. Where it fails all is undone, and each of them is told."""
        try:
            if not self._is_whole:
                raise _refused(UNDONE)
            if file.has_vanished():
                raise _refused(VANISHED)
            self._root.commit()
        except BaseException as error:
            self.failure = error
            self._undo()
            if not isinstance(error, Exception):
                raise
        finally:
            self._ended.set()

    def _undo(self) -> None:
        """After a failed commit SQLAlchemy holds its transaction for ended, though SQLite may still be in it."""
        with suppress(sqlite3.Error, SQLAlchemyError):
            _driver(self.connection.connection).rollback()
        with suppress(SQLAlchemyError):
            self._root.rollback()
        self.connection.invalidate()

    def wait(self) -> None:
        """Until the commit; raises OperationalError where it failed."""
        self._ended.wait()
        if self.failure is not None:
            raise OperationalError(None, None, getattr(self.failure, "orig", self.failure)) from self.failure


def _refused(why: str) -> OperationalError:
    return OperationalError(None, None, sqlite3.OperationalError(why))


class Writer:
    """The one connection that writes: its page cache stays true, as nobody else changes a page.

    One thread at a time works on it. Where others wait for their turn, it leaves its work uncommitted to the next of
    them, and the last commits for all: a commit costs more than the work, and waits for the disk. Nobody goes on before
    that commit, so no lock that another write takes may be held around a write. A write that fails is undone alone.
    """

    def __init__(self, url: str, file: DatabaseFile) -> None:
        self._engine = sqlite_engine(url, 1, begin="BEGIN IMMEDIATE")
        self._file = file
        self._file.watch(self._engine)
        self._turn = threading.Lock()
        self._waiting: deque[None] = deque()  # a count that threads change without a lock
        self._connection: Connection | None = None
        self._batch: _Batch | None = None

    @property
    def waiting(self) -> int:
        """How many threads wait for their turn."""
        return len(self._waiting)

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """The connection, in a transaction that is durable when the block has ended without an error.

        A block that fails ends with the others' commit too, since what it met may have been theirs. Raises
        OperationalError where nothing of it was kept.
        """
        batch: _Batch | None = None
        try:
            with self._my_turn():
                batch = self._batch = self._batch or self._begin()
                try:
                    with batch.part() as connection:
                        yield connection
                finally:
                    self._leave(batch)
        except Exception:
            if batch is not None:
                batch.wait()
            raise
        batch.wait()

    @contextmanager
    def _my_turn(self) -> Iterator[None]:
        self._waiting.append(None)
        try:
            self._turn.acquire()
        finally:
            self._waiting.pop()
        try:
            yield
        finally:
            self._turn.release()

    def _begin(self) -> _Batch:
        if self._file.has_vanished():
            raise _refused(VANISHED)
        if self._connection is None:
            self._connection = self._engine.connect()
        return _Batch(self._connection)

    def _leave(self, batch: _Batch) -> None:
        if not self._waiting or batch.is_full:
            self._end(batch)

    def _end(self, batch: _Batch) -> None:
        self._batch = None
        try:
            batch.commit(self._file)
        finally:
            if batch.failure is not None:
                self._disconnect()

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = None

    def close(self) -> None:
        with self._turn:
            if self._batch is not None:
                self._end(self._batch)
            self._disconnect()
        self._engine.dispose()

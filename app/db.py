"""The database: sessions, UTC time and sortable ids. It knows no noun.

Reads and writes are opened apart: on SQLite one thread writes at a time, because a read that turns into a write fails
under load; on Postgres both are ordinary transactions. An error never repeats a statement's values: its text goes to
the log.
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, TypeVar

from sqlalchemy import DateTime, Engine, String, TypeDecorator, create_engine, text
from sqlalchemy.engine import Connection, Dialect
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as NoConnectionFree
from sqlmodel import Session, SQLModel

from app.sqlite import VANISHED, DatabaseFile, Writer, sqlite_engine

log = logging.getLogger("lattice.db")
NOT_REACHED = (OperationalError, NoConnectionFree)  # the database did not answer, or every connection is taken
POOL_SIZE = 16  # also the thread limiter's size: a thread that runs can always have a connection

SQLModel.metadata.naming_convention = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


def utcnow() -> datetime:
    return datetime.now(UTC)


class UtcDateTime(TypeDecorator[datetime]):
    """An aware time, always UTC. A naive one is a programming error and raises ValueError."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"a time without a zone: {value!r}")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else value.astimezone(UTC)

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], datetime | None] | None:
        """On SQLite straight from the stored text: a list of 100 jobs has 300 times."""
        return _utc_of_text if dialect.name == "sqlite" else super().result_processor(dialect, coltype)


def _utc_of_text(stored: str | None) -> datetime | None:
    return None if stored is None else datetime.fromisoformat(stored + "+00:00")


E = TypeVar("E", bound=StrEnum)


class EnumText(TypeDecorator[E]):
    """A StrEnum stored as its value, not its name, so that a renamed member breaks no stored row."""

    impl = String
    cache_ok = True

    def __init__(self, kind: type[E], length: int = 24) -> None:
        super().__init__(length)
        self.kind = kind

    def process_bind_param(self, value: E | str | None, dialect: Dialect) -> str | None:
        return None if value is None else self.kind(value).value

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], E | None]:
        members: dict[str | None, E | None] = {None: None, **{member.value: member for member in self.kind}}
        return members.__getitem__


ID_DIGITS = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32: sorts as its numbers do
_id_lock = threading.Lock()
_last_id = 0


class Randomness:
    """The system's random bytes, some kilobytes a call: each call lets other threads in, and costs more than an id."""

    AT_ONCE = 4096

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._bytes = b""
        self._at = 0

    def take(self, count: int) -> bytes:
        with self._lock:
            if self._at + count > len(self._bytes):
                self._bytes, self._at = secrets.token_bytes(self.AT_ONCE), 0
            self._at += count
            return self._bytes[self._at - count : self._at]


randomness = Randomness()


def new_id(prefix: str) -> str:
    """`prefix_` and 26 characters that sort by creation (a ULID: 48 bits of milliseconds, 80 of randomness).

    Ids of one process ascend strictly, also within a millisecond.
    """
    global _last_id  # noqa: PLW0603
    with _id_lock:
        number = (time.time_ns() // 1_000_000) << 80 | int.from_bytes(randomness.take(10))
        if number <= _last_id:
            number = _last_id + 1 + int.from_bytes(randomness.take(4))
        _last_id = number
    return id_of(prefix, number)


def id_of(prefix: str, number: int) -> str:
    """The id of a number of 128 bits, whose highest 48 are its time."""
    return f"{prefix}_" + "".join(ID_DIGITS[(number >> shift) & 31] for shift in range(125, -1, -5))


class Transaction(Session):
    """One transaction on one connection. Statements on `connection()` go straight to it; what the ORM costs a session
    (its own transaction, its identity map) begins with the ORM's first use. Closed, it is of no use: the connection
    may be another's by then.
    """

    def __init__(self, connection: Connection, *, autoflush: bool = False) -> None:
        super().__init__(connection, expire_on_commit=False, autoflush=autoflush, join_transaction_mode="rollback_only")
        self._connection: Connection | None = connection

    def connection(self, *args: Any, **options: Any) -> Connection:
        if self._connection is None:
            raise RuntimeError("a transaction is used after its block")
        return super().connection(*args, **options) if args or options else self._connection

    def close(self) -> None:
        if self.in_transaction():
            super().close()
        self._connection = self.bind = None


class WriteTransaction(Transaction):
    """`before_commit` is called at the end of the transaction, still in it; `after_commit` when it is durable."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection, autoflush=True)
        self.before_commit: list[Callable[[], None]] = []
        self.after_commit: list[Callable[[], None]] = []

    def finish(self) -> None:
        """All that stands between the caller's work and the commit."""
        for call in self.before_commit:
            self.flush()
            call()
        self.flush()

    def tell(self) -> None:
        """What fails here does not unmake the commit, so it is only logged."""
        for call in self.after_commit:
            try:
                call()
            except Exception:
                log.exception("what follows a commit failed")


class Database:
    """One engine. `read()` and `write()` give sessions; `write()` commits when its block ends without an error."""

    def __init__(self, url: str, *, pool_size: int = POOL_SIZE) -> None:
        self.url = url
        self.is_sqlite = url.startswith("sqlite")
        self.engine = sqlite_engine(url, pool_size) if self.is_sqlite else _postgres_engine(url, pool_size)
        self._file = DatabaseFile(url) if self.is_sqlite else None
        self._writer = Writer(url, self._file) if self._file else None
        if self._file:
            self._file.watch(self.engine)

    @contextmanager
    def read(self) -> Iterator[Transaction]:
        with self.engine.connect() as connection, closing(Transaction(connection)) as session:
            yield session

    @contextmanager
    def write(self) -> Iterator[WriteTransaction]:
        opened = self._writer.transaction() if self._writer else self.engine.begin()
        with opened as connection, closing(WriteTransaction(connection)) as session:
            yield session
            session.finish()
        session.tell()

    @property
    def waiting_writers(self) -> int:
        """How many threads of this process wait for another's write; none on Postgres, which has no such turn."""
        return self._writer.waiting if self._writer else 0

    def why_not_reached(self) -> str | None:
        """A sentence, or None where the database can be read, and written as far as can be told without doing so."""
        try:
            with self.engine.connect() as connection:
                connection.execute(text("SELECT 1"))
        except Exception:
            return "The database can't be reached."
        return VANISHED if self._file and self._file.has_vanished() else None

    def close(self) -> None:
        if self._writer:
            self._writer.close()
        self.engine.dispose()


def database_now(session: Session) -> datetime:
    """The database's own clock, which every replica shares: leases expire by it."""
    if session.get_bind().dialect.name == "sqlite":
        return utcnow()
    value: datetime = session.connection().execute(text("SELECT clock_timestamp()")).scalar_one()
    return value.astimezone(UTC)


def take_turn(session: Session, number: int) -> None:
    """Wait until no other transaction on PostgreSQL holds the advisory lock of that number, and hold it to the end.

    On SQLite writes take turns anyway.
    """
    if session.get_bind().dialect.name == "postgresql":
        session.connection().execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": number})


def _postgres_engine(url: str, pool_size: int) -> Engine:
    return create_engine(
        url, pool_size=pool_size, max_overflow=8, pool_pre_ping=True, hide_parameters=True,
        connect_args=_postgres_options(),
    )  # fmt: skip


def _postgres_options() -> dict[str, Any]:
    return {"connect_timeout": 10, "options": "-c timezone=UTC -c statement_timeout=30000"}

"""Counts of requests over fixed windows, shared by all replicas through one table: a storage for the library `limits`.

A request only counts in memory. Once a second a thread adds what is new to the table and learns what the other
replicas counted, so that ordinary requests cost no write; between two looks replicas may let a little more through.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from limits.storage import Storage
from sqlalchemy import BigInteger, Column, Index, text
from sqlmodel import Field, Session, SQLModel

from app.db import Database
from app.ticker import Ticker

log = logging.getLogger("lattice.limits")
SYNC_EVERY = 1.0
MOST_WINDOWS = 100_000  # in memory: one network can have more addresses than that
OTHERS = "others"  # those for whom no window is left are counted together
KEY_LENGTH = 200
FAILED = "the counts of requests could not be shared"

ADD = text(
    "INSERT INTO rate_count (key, ends_at, count) VALUES (:key, :ends_at, :new) "
    "ON CONFLICT (key, ends_at) DO UPDATE SET count = rate_count.count + excluded.count RETURNING count"
)
FORGET = text("DELETE FROM rate_count WHERE ends_at <= :now")


class RateCount(SQLModel, table=True):
    """How much one principal or address did in one window. `ends_at` is in seconds since 1970."""

    __tablename__ = "rate_count"
    __table_args__ = (Index(None, "ends_at"),)

    key: str = Field(primary_key=True, max_length=KEY_LENGTH)
    ends_at: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    count: int = Field(sa_column=Column(BigInteger, nullable=False))


@dataclass(slots=True)
class Window:
    """One key's window: counted here, of that told to the table, and counted by the other replicas."""

    ends_at: int
    here: int = 0
    told: int = 0
    elsewhere: int = 0

    @property
    def total(self) -> int:
        return self.here + self.elsewhere


class SharedCounts(Storage):
    """`steps`: by a key's first part, how much must be new before it is worth a write; 1 where it is not named.

    `most`: so many keys have a window of their own; those that come later share one for each first part until some end.
    """

    STORAGE_SCHEME = None
    base_exceptions = Exception

    def __init__(
        self,
        db: Database,
        steps: Mapping[str, int],
        clock: Callable[[], float] = time.time,
        most: int = MOST_WINDOWS,
    ) -> None:
        super().__init__()
        self._db = db
        self._steps = steps
        self._clock = clock
        self._most = most
        self._windows: dict[str, Window] = {}
        self._lock = threading.Lock()
        self._ticker = Ticker("lattice-limits", SYNC_EVERY, self.sync, log, FAILED)

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        """Windows begin at multiples of their length, so that all replicas mean the same one."""
        now = self._clock()
        with self._lock:
            key = self._counted_as(key)
            window = self._windows.get(key)
            if window is None or window.ends_at <= now:
                window = self._windows[key] = Window(int(now // expiry + 1) * expiry)
            window.here += amount
            return window.total

    def _counted_as(self, key: str) -> str:
        if key in self._windows or len(self._windows) < self._most:
            return key
        return f"{_kind(key)}/{OTHERS}"

    def get(self, key: str) -> int:
        window = self._windows.get(self._counted_as(key))
        return window.total if window is not None and window.ends_at > self._clock() else 0

    def get_expiry(self, key: str) -> float:
        window = self._windows.get(self._counted_as(key))
        return window.ends_at if window is not None else self._clock()

    def check(self) -> bool:
        return self._db.why_not_reached() is None

    def reset(self) -> int | None:
        with self._lock:
            count = len(self._windows)
            self._windows = {}
        return count

    def clear(self, key: str) -> None:
        with self._lock:
            self._windows.pop(key, None)

    def start(self) -> None:
        self._ticker.start()

    def stop(self) -> None:
        self._ticker.stop()

    def sync(self) -> None:
        """Tell the table what is new here, and learn the totals."""
        now = self._clock()
        with self._lock:
            self._windows = {key: w for key, w in self._windows.items() if w.ends_at > now}
            due = [(key, w, w.here) for key, w in self._windows.items() if w.here - w.told >= self._step(key)]
        if not due:
            return
        due.sort(key=lambda one: (one[0], one[1].ends_at))  # so that two replicas never wait crosswise
        with self._db.write() as db:
            totals = [_add(db, key, window, here) for key, window, here in due]
            db.connection().execute(FORGET, {"now": int(now)})
        with self._lock:
            for (_, window, here), total in zip(due, totals, strict=True):
                window.told, window.elsewhere = here, total - here

    def _step(self, key: str) -> int:
        return self._steps.get(_kind(key), 1)


def _kind(key: str) -> str:
    """A key's first part: which limit it is of."""
    return key.partition("/")[0]


def _add(db: Session, key: str, window: Window, here: int) -> int:
    values = {"key": key[:KEY_LENGTH], "ends_at": window.ends_at, "new": here - window.told}
    return int(db.connection().execute(ADD, values).scalar_one())

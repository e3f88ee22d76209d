"""Refused attempts at what needs a right in the audit trail: who tried what, from where and with which key.

Each is written in a transaction of its own, after the refused request's session is closed. Of one principal some are
written a minute, so that trying often fills neither the trail nor the disk; how many more there were is written when
the minute has passed, and at the latest when the server stops.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from app import events
from app.db import Database, utcnow
from app.ticker import Ticker
from app.web.ask import Actor

log = logging.getLogger("lattice.refusals")
A_MINUTE = 10
MINUTE = timedelta(minutes=1)
LOOK_EVERY = 5.0
LONGEST_ID = 40
FAILED = "how many requests were refused could not be written"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """What was refused. `path` is the route's pattern, not what was sent."""

    method: str
    path: str
    subject: str
    why: str


@dataclass(slots=True)
class Spell:
    """One principal's minute: when it began, what was written, what was left out, and the last one who tried."""

    since: datetime
    by: Actor
    last: Attempt
    written: int = 0
    left_out: int = 0


class Refusals:
    """`note` writes; a small thread writes what was left out."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._spells: dict[str, Spell] = {}
        self._lock = threading.Lock()
        self._ticker = Ticker("lattice-refusals", LOOK_EVERY, lambda: self.tell(utcnow()), log, FAILED)

    def note(self, by: Actor, identity: str, attempt: Attempt, now: datetime) -> None:
        """Record it, or count it where this principal has had its share of the minute."""
        if self._is_admitted(by, identity, attempt, now):
            self._record(by, attempt, {}, now)

    def _is_admitted(self, by: Actor, identity: str, attempt: Attempt, now: datetime) -> bool:
        with self._lock:
            spell = self._spells.setdefault(identity, Spell(now, by, attempt))
            spell.by, spell.last = by, attempt
            if spell.written >= A_MINUTE:
                spell.left_out += 1
                return False
            spell.written += 1
            return True

    def _record(self, by: Actor, attempt: Attempt, more: dict[str, Any], now: datetime) -> None:
        data = {"method": attempt.method, "path": attempt.path, "reason": attempt.why, **more}
        with self._db.write() as db:
            events.record(
                db, by, "request.refused", subject_id=attempt.subject[:LONGEST_ID],
                subject_name=f"{attempt.method} {attempt.path}", private_to=by.user_id, data=data, at=now,
            )  # fmt: skip

    def start(self) -> None:
        self._ticker.start()

    def stop(self) -> None:
        self._ticker.stop()
        self.tell(utcnow(), unfinished=True)

    def tell(self, now: datetime, *, unfinished: bool = False) -> None:
        """Write how many were left out in the minutes that have passed."""
        with self._lock:
            over = {
                who: s for who, s in self._spells.items() if unfinished or not timedelta() <= now - s.since < MINUTE
            }
        for who, spell in over.items():
            if spell.left_out:
                self._record(spell.by, spell.last, {"more": spell.left_out}, now)
            with self._lock:
                del self._spells[who]

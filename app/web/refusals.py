"""Refused writes in the audit trail: who tried what, from where and with which key.

Each is written in a transaction of its own, after the refused request's session is closed, and a few a minute for
one principal, so that trying often fills neither the trail nor the disk; how many were left out is told by the next.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass
from datetime import datetime, timedelta

from app import events
from app.db import Database
from app.web.ask import Actor

log = logging.getLogger("lattice.refusals")
A_MINUTE = 10
MINUTE = timedelta(minutes=1)
MOST_REMEMBERED = 5_000
LONGEST_ID = 40


@dataclass(slots=True)
class Spell:
    """One principal's minute: when it began, what was written, what was left out."""

    since: datetime
    written: int = 0
    left_out: int = 0


class Refusals:
    def __init__(self, db: Database) -> None:
        self._db = db
        self._spells: dict[str, Spell] = {}
        self._lock = threading.Lock()

    def note(self, by: Actor, *, identity: str, method: str, path: str, subject: str, why: str, now: datetime) -> None:
        """Record it unless this principal has had its share. `path` is the route's pattern, not what was sent."""
        left_out = self._admit(identity, now)
        if left_out is None:
            return
        data = {"method": method, "path": path, "reason": why, **({"left_out": left_out} if left_out else {})}
        with self._db.write() as db:
            events.record(
                db, by, "request.refused", subject_id=subject[:LONGEST_ID], subject_name=f"{method} {path}",
                private_to=by.user_id, data=data, at=now,
            )  # fmt: skip

    def _admit(self, identity: str, now: datetime) -> int | None:
        """How many were left out before this one; None when this one is left out too."""
        with self._lock:
            spell = self._spells.get(identity)
            if spell is None or now - spell.since >= MINUTE:
                self._forget(now)
                left_out = spell.left_out if spell else 0
                self._spells[identity] = Spell(now, written=1)
                return left_out
            if spell.written >= A_MINUTE:
                spell.left_out += 1
                return None
            spell.written += 1
            return 0

    def _forget(self, now: datetime) -> None:
        if len(self._spells) >= MOST_REMEMBERED:
            self._spells = {who: s for who, s in self._spells.items() if now - s.since < MINUTE}

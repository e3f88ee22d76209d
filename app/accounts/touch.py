"""Remembers when and from where a key or a session was last used, and writes it once a minute, outside the request."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from sqlalchemy import update
from sqlmodel import Session, col

from app.accounts.models import ApiKey, SignInSession
from app.db import Database
from app.ticker import Ticker
from app.web.ask import Principal
from app.web.identify import Credential

log = logging.getLogger("lattice.accounts")
WRITE_EVERY = 5.0
ONCE_IN = timedelta(minutes=1)
FAILED = "when keys and sessions were last used could not be written"
Find = Callable[[Session, Credential, datetime], Principal | None]


class Touches:
    """A small thread that writes what requests noted."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._noted: dict[str, tuple[datetime, str]] = {}
        self._written: dict[str, datetime] = {}
        self._lock = threading.Lock()
        self._ticker = Ticker("lattice-touches", WRITE_EVERY, self.write, log, FAILED)

    def noting(self, find: Find) -> Find:
        """`find`, remembering whom it found."""

        def find_and_note(db: Session, credential: Credential, now: datetime) -> Principal | None:
            found = find(db, credential, now)
            if found is not None:
                self._note(found.key_id or found.session_id or "", now, credential.ip if credential else "")
            return found

        return find_and_note

    def _note(self, used: str, now: datetime, ip: str) -> None:
        written = self._written.get(used)
        if written is None or now - written >= ONCE_IN:
            with self._lock:
                self._noted[used] = (now, ip[:45])

    def start(self) -> None:
        self._ticker.start()

    def stop(self) -> None:
        self._ticker.stop()
        self.write()

    def write(self) -> None:
        """Write what was noted; where that fails it is noted still."""
        with self._lock:
            noted, self._noted = self._noted, {}
        if not noted:
            return
        try:
            self._store(noted)
        except Exception:
            with self._lock:
                self._noted = {**noted, **self._noted}  # of those used meanwhile the newer note counts
            raise
        times = {used: at for used, (at, _) in noted.items()}
        newest = max(times.values())
        self._written = {k: v for k, v in {**self._written, **times}.items() if newest - v < ONCE_IN}

    def _store(self, noted: Mapping[str, tuple[datetime, str]]) -> None:
        """In the order of their ids, so that two replicas never wait crosswise."""
        with self._db.write() as db:
            for used, (at, ip) in sorted(noted.items()):
                if used.startswith("key_"):
                    seen = {"last_used_at": at, **({"last_used_ip": ip} if ip else {})}
                    db.connection().execute(update(ApiKey).where(col(ApiKey.id) == used).values(**seen))
                else:
                    seen = {"last_seen_at": at, **({"last_seen_ip": ip} if ip else {})}
                    db.connection().execute(update(SignInSession).where(col(SignInSession.id) == used).values(**seen))

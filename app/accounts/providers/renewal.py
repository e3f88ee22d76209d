"""Renews sessions at the provider, in the background of requests: once an expiry, by one server at a time.

A request only notes that a session was used. Silence of the provider changes nothing; only its answer that the
session is over, which is then asked again in another way, ends ours.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import datetime, timedelta

from sqlmodel import Session

from app.accounts import service
from app.accounts.models import SignInSession
from app.accounts.providers import tokens
from app.accounts.providers.models import SessionToken
from app.accounts.providers.protocol import ProviderUnreachable, RemoteProvider, SessionOver, Tokens
from app.db import utcnow
from app.keyring import KeyringError
from app.site import Site
from app.web.ask import Actor, Principal
from app.web.identify import Credential

log = logging.getLogger("lattice.accounts")
EARLY = timedelta(seconds=60)  # before the access token's end
RETRY = timedelta(seconds=30)  # after silence
LOOK_AGAIN = timedelta(minutes=5)  # where there is nothing to renew, or a token that is no longer good
MOST_REMEMBERED = 20_000
Find = Callable[[Session, Credential, datetime], Principal | None]


class Renewals:
    """A small thread; `noting` is how it hears of requests."""

    def __init__(self, site: Site, provider: RemoteProvider, *, clock: Callable[[], datetime] = utcnow) -> None:
        self._site = site
        self._provider = provider
        self._clock = clock
        self._due: dict[str, datetime] = {}
        self._used: set[str] = set()
        self._lock = threading.Lock()
        self._noted = threading.Event()
        self._ending = False
        self._thread = threading.Thread(target=self._run, name="lattice-renewals", daemon=True)

    def noting(self, find: Find) -> Find:
        """`find`, remembering the sessions that it found."""

        def find_and_note(db: Session, credential: Credential, now: datetime) -> Principal | None:
            found = find(db, credential, now)
            if found is not None and found.session_id is not None:
                self._note(found.session_id, now)
            return found

        return find_and_note

    def _note(self, session_id: str, now: datetime) -> None:
        due = self._due.get(session_id)
        if due is None or now >= due:
            with self._lock:
                self._used.add(session_id)
            self._noted.set()

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._ending = True
        self._noted.set()
        self._thread.join(2)

    def _run(self) -> None:
        while not self._ending:
            self._noted.wait()
            self._noted.clear()
            with self._lock:
                used, self._used = self._used, set()
            for session_id in used:
                if self._ending:
                    return
                self._look_safely(session_id)

    def _look_safely(self, session_id: str) -> None:
        try:
            due = self.look(session_id)
        except Exception:
            log.warning("a session could not be renewed; trying again", exc_info=True)
            due = self._clock() + RETRY
        if len(self._due) >= MOST_REMEMBERED:
            self._due = {}
        self._due[session_id] = due

    def look(self, session_id: str) -> datetime:
        """Renew the session if it is time; when to look again."""
        now = self._clock()
        with self._site.db.read() as db:
            seen = db.get(SessionToken, session_id)
        if seen is None:
            return now + LOOK_AGAIN
        if now < seen.expires_at - EARLY:
            return seen.expires_at - EARLY
        with self._site.db.write() as db:
            mine = tokens.lease(db, seen, now)
        return self._renew(seen) if mine else now + RETRY

    def _renew(self, seen: SessionToken) -> datetime:
        try:
            renewed = self._provider.renew(tokens.opened(self._site.keyring, seen))
        except ProviderUnreachable:
            return self._postpone(seen, RETRY)
        except (SessionOver, KeyringError) as over:
            return self._end_if_over(seen, str(over))
        return self._replace(seen, renewed)

    def _replace(self, seen: SessionToken, renewed: Tokens) -> datetime:
        with self._site.db.write() as db:
            if not tokens.replace(db, self._site.keyring, seen, renewed):
                tokens.note_ending(db, renewed.session_id, self._clock())
        return renewed.expires_at - EARLY

    def _end_if_over(self, seen: SessionToken, why: str) -> datetime:
        """A renewal whose answer was lost leaves a token that is no longer good, and a session that still is."""
        try:
            alive = self._provider.is_alive(seen.subject, seen.external_session_id)
        except ProviderUnreachable:
            return self._postpone(seen, RETRY)
        if alive:
            return self._postpone(seen, LOOK_AGAIN)
        log.info("session %s has ended at the provider: %s", seen.session_id, why)
        with self._site.db.write() as db:
            end_here(db, seen.session_id, self._provider.label)
        return self._clock() + LOOK_AGAIN

    def _postpone(self, seen: SessionToken, time: timedelta) -> datetime:
        until = self._clock() + time
        with self._site.db.write() as db:
            tokens.postpone(db, seen, until)
        return until


def end_here(db: Session, session_id: str, by: str) -> None:
    """End our session because the provider's has ended."""
    session = db.get(SignInSession, session_id)
    if session is not None:
        token = db.get(SessionToken, session_id)
        if token is not None:
            db.delete(token)
            db.flush()
        service.end_session(db, session, actor=Actor(organization_id=session.organization_id, kind="system", name=by))

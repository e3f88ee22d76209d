"""Letting somebody in who came back from a provider: their rows here, and a session of ours.

A session always has a new id: one that a browser brought along is ended, never taken over.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlmodel import Session

from app.accounts import queries, service
from app.accounts.models import Membership, SignInSession, User
from app.accounts.providers import tokens
from app.accounts.providers.protocol import Arrival, Reason, RemoteProvider, SignInRefused
from app.keyring import Keyring


def admit(
    db: Session, keyring: Keyring, provider: RemoteProvider, arrival: Arrival, *, ip: str, user_agent: str,
    now: datetime, instead_of: str | None,
) -> SignInSession:  # fmt: skip
    """A new session in the place of `instead_of`, this browser's last one. Raises SignInRefused."""
    if not arrival.person.email_verified:
        raise SignInRefused(Reason.UNVERIFIED)
    user = provider.take_in(db, arrival, now)
    belongs = queries.memberships_of(db, user.id) if user else []
    if user is None or not belongs:
        raise SignInRefused(Reason.NO_ORGANIZATION)
    service.leave_behind(db, instead_of)
    chosen = provider.organization_id(db, arrival.organization_id) if arrival.organization_id else None
    session = service.begin_session(
        db, user=user, organization_id=_where(db, user, belongs, chosen), ip=ip, user_agent=user_agent, now=now
    )
    db.flush()
    tokens.keep(db, keyring, session.id, arrival.person.subject, arrival.tokens)
    return session


def _where(db: Session, user: User, belongs: Sequence[Membership], chosen: str | None) -> str:
    """The organization that they chose at the provider, else the one they were in last, else their first."""
    theirs = [m.organization_id for m in belongs]
    last = queries.last_session(db, user.id)
    wanted = (chosen, last.organization_id if last else None)
    return next((w for w in wanted if w in theirs), theirs[0])

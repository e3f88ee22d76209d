"""The sealed refresh token of a session: kept, leased by the one who renews it, replaced, and ended at the provider.

A token is changed only from what was read (compare and set), so that two servers never renew one at once, and a
renewal that comes back late changes nothing.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Update, or_, update
from sqlmodel import Session, col, select

from app.accounts.providers.models import SessionEnding, SessionToken
from app.accounts.providers.protocol import Tokens
from app.keyring import Keyring, Sealed

LEASE = timedelta(seconds=60)  # longer than a call to the provider can take


def keep(db: Session, keyring: Keyring, session_id: str, subject: str, tokens: Tokens) -> None:
    sealed = keyring.encrypt(tokens.refresh_token)
    db.add(
        SessionToken(
            session_id=session_id,
            subject=subject,
            external_session_id=tokens.session_id,
            ciphertext=sealed.ciphertext,
            fingerprint=sealed.fingerprint,
            expires_at=tokens.expires_at,
        )
    )


def lease(db: Session, seen: SessionToken, now: datetime) -> bool:
    """Whether the caller is the one to renew it. A lease that nobody released is free after LEASE."""
    free = or_(col(SessionToken.leased_until).is_(None), col(SessionToken.leased_until) <= now)
    statement = _unchanged(seen).where(free).values(leased_until=now + LEASE)
    return db.connection().execute(statement).rowcount == 1


def replace(db: Session, keyring: Keyring, seen: SessionToken, tokens: Tokens) -> bool:
    """Put the renewed one in the place of what was seen; False where the session has ended meanwhile."""
    sealed = keyring.encrypt(tokens.refresh_token)
    statement = _of(seen).values(
        ciphertext=sealed.ciphertext,
        fingerprint=sealed.fingerprint,
        external_session_id=tokens.session_id,
        expires_at=tokens.expires_at,
        leased_until=None,
    )
    return db.connection().execute(statement).rowcount == 1


def postpone(db: Session, seen: SessionToken, until: datetime) -> None:
    """Leave it as it is; nobody tries before `until`."""
    db.connection().execute(_of(seen).values(leased_until=until))


def opened(keyring: Keyring, token: SessionToken) -> str:
    return keyring.decrypt(Sealed(token.ciphertext, token.fingerprint))


def ends(db: Session, session_id: str, now: datetime) -> bool:
    """Note that the provider's session of ours has to end too; whether there is one."""
    token = db.get(SessionToken, session_id)
    if token is None:
        return False
    note_ending(db, token.external_session_id, now)
    db.delete(token)
    return True


def note_ending(db: Session, external_session_id: str, now: datetime) -> None:
    if db.get(SessionEnding, external_session_id) is None:
        db.add(SessionEnding(external_session_id=external_session_id, created_at=now))
        db.flush()


def of_external_session(db: Session, external_session_id: str) -> SessionToken | None:
    return db.exec(select(SessionToken).where(SessionToken.external_session_id == external_session_id)).first()


def _of(seen: SessionToken) -> Update:
    return update(SessionToken).where(col(SessionToken.session_id) == seen.session_id)


def _unchanged(seen: SessionToken) -> Update:
    same = (col(SessionToken.fingerprint) == seen.fingerprint) & (col(SessionToken.expires_at) == seen.expires_at)
    return _of(seen).where(same, col(SessionToken.external_session_id) == seen.external_session_id)

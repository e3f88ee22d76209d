"""Who a credential stands for today, by one prepared query (a second for a key whose text was just rotated). It is
never cached, so that a revocation counts at once.

The digest of a presented key is compared by an index over SHA-256 digests: what its timing tells is about a hash that
whoever asks can't steer, not about the key.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Select, Table, bindparam, or_, select
from sqlmodel import Session, SQLModel

from app.accounts.models import ApiKey, SignInSession
from app.db import UtcDateTime
from app.web.action import Role, Scope
from app.web.ask import Principal
from app.web.identify import CookieCredential, Credential, KeyCredential

_TABLES = SQLModel.metadata.tables
_USER, _ORGANIZATION, _MEMBERSHIP = _TABLES["user_account"], _TABLES["organization"], _TABLES["membership"]
_SESSION, _KEY = _TABLES[str(SignInSession.__tablename__)], _TABLES[str(ApiKey.__tablename__)]
_NOW = bindparam("now", type_=UtcDateTime)


def _person_of(credential: Table, *columns: Any) -> Select[Any]:
    """The credential's row with its person, organization and membership; without a membership there is no row."""
    joined = (
        credential.join(_USER, _USER.c.id == credential.c.user_id)
        .join(_ORGANIZATION, _ORGANIZATION.c.id == credential.c.organization_id)
        .join(
            _MEMBERSHIP,
            (_MEMBERSHIP.c.organization_id == credential.c.organization_id)
            & (_MEMBERSHIP.c.user_id == credential.c.user_id),
        )
    )
    person = (_USER.c.id, _USER.c.name, _USER.c.email, _ORGANIZATION.c.id, _ORGANIZATION.c.name, _MEMBERSHIP.c.role)
    return select(*person, *columns).select_from(joined)


_BY_SESSION = _person_of(_SESSION, _SESSION.c.id).where(
    _SESSION.c.id == bindparam("session_id"), _SESSION.c.expires_at > _NOW
)
_LIVE_KEY = _person_of(_KEY, _KEY.c.id, _KEY.c.scopes, _KEY.c.role).where(
    _KEY.c.revoked_at.is_(None), or_(_KEY.c.expires_at.is_(None), _KEY.c.expires_at > _NOW)
)
_BY_KEY = _LIVE_KEY.where(_KEY.c.digest == bindparam("digest"))
_BY_PREVIOUS_KEY = _LIVE_KEY.where(_KEY.c.previous_digest == bindparam("digest"), _KEY.c.previous_ends_at > _NOW)


def find_principal(db: Session, credential: Credential, now: datetime) -> Principal | None:
    """Who the credential stands for, or None if it stands for nobody."""
    if isinstance(credential, KeyCredential) and credential.digest:
        return _by_key(db, credential.digest, now)
    if isinstance(credential, CookieCredential) and credential.session_id:
        return _by_session(db, credential.session_id, now)
    return None


def _by_session(db: Session, session_id: str, now: datetime) -> Principal | None:
    row = db.connection().execute(_BY_SESSION, {"session_id": session_id, "now": now}).first()
    if row is None:
        return None
    user, name, email, organization, organization_name, role, session = row
    return Principal(
        user_id=user,
        organization_id=organization,
        organization_name=organization_name,
        role=role,
        name=name,
        email=email,
        session_id=session,
    )


def _by_key(db: Session, digest: str, now: datetime) -> Principal | None:
    presented = {"digest": digest, "now": now}
    row = db.connection().execute(_BY_KEY, presented).first()
    row = row or db.connection().execute(_BY_PREVIOUS_KEY, presented).first()
    if row is None:
        return None
    user, name, email, organization, organization_name, role, key, scopes, key_role = row
    return Principal(
        user_id=user,
        organization_id=organization,
        organization_name=organization_name,
        role=Role.ADMIN if role is Role.ADMIN and key_role is Role.ADMIN else Role.MEMBER,
        name=name,
        email=email,
        key_id=key,
        scopes=frozenset(Scope(s) for s in scopes.split(",") if s),
    )

"""Named queries over accounts. Those that list take the principal, whose organization bounds them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import or_
from sqlmodel import Session, col, select

from app.accounts.models import ApiKey, Membership, Organization, SignInLink, SignInSession, User
from app.web.action import Role, Scope
from app.web.ask import Principal
from app.web.identify import CookieCredential, Credential, KeyCredential


def find_principal(db: Session, credential: Credential, now: datetime) -> Principal | None:
    """Who the credential stands for today, or None if it stands for nobody."""
    if isinstance(credential, KeyCredential) and credential.digest:
        return _by_key(db, credential.digest, now)
    if isinstance(credential, CookieCredential) and credential.session_id:
        return _by_session(db, credential.session_id, now)
    return None


_PERSON = (User.id, User.name, User.email, Organization.id, Organization.name, Membership.role)

_SESSION = (
    select(SignInSession.id, *_PERSON)  # type: ignore[call-overload]
    .join(User, col(User.id) == SignInSession.user_id)
    .join(Organization, col(Organization.id) == SignInSession.organization_id)
    .join(
        Membership,
        (col(Membership.organization_id) == SignInSession.organization_id)
        & (col(Membership.user_id) == SignInSession.user_id),
    )
)

_KEY = (
    select(ApiKey.id, ApiKey.scopes, ApiKey.role.label("key_role"), *_PERSON)  # type: ignore[attr-defined,call-overload]
    .join(User, col(User.id) == ApiKey.user_id)
    .join(Organization, col(Organization.id) == ApiKey.organization_id)
    .join(
        Membership,
        (col(Membership.organization_id) == ApiKey.organization_id) & (col(Membership.user_id) == ApiKey.user_id),
    )
)


def _by_session(db: Session, session_id: str, now: datetime) -> Principal | None:
    statement = _SESSION.where(SignInSession.id == session_id, SignInSession.expires_at > now)
    row = db.connection().execute(statement).first()
    if row is None:
        return None
    ses, user, name, email, org, org_name, role = row
    return Principal(
        user_id=user, organization_id=org, organization_name=org_name, role=role, name=name, email=email, session_id=ses
    )


def _by_key(db: Session, digest: str, now: datetime) -> Principal | None:
    alive = col(ApiKey.revoked_at).is_(None) & or_(col(ApiKey.expires_at).is_(None), col(ApiKey.expires_at) > now)
    row = db.connection().execute(_KEY.where(ApiKey.digest == digest, alive)).first()
    if row is None:
        return None
    key, scopes, key_role, user, name, email, org, org_name, role = row
    return Principal(
        user_id=user,
        organization_id=org,
        organization_name=org_name,
        name=name,
        email=email,
        key_id=key,
        role=Role.ADMIN if role is Role.ADMIN and key_role is Role.ADMIN else Role.MEMBER,
        scopes=frozenset(Scope(s) for s in scopes.split(",") if s),
    )


def first_organization(db: Session) -> Organization | None:
    return db.exec(select(Organization).order_by(col(Organization.id)).limit(1)).first()


def first_admin(db: Session, organization_id: str) -> User | None:
    return db.exec(
        select(User)
        .join(Membership, col(Membership.user_id) == User.id)
        .where(Membership.organization_id == organization_id, Membership.role == Role.ADMIN)
        .order_by(col(Membership.id))
        .limit(1)
    ).first()


def user_by_email(db: Session, email: str) -> User | None:
    return db.exec(select(User).where(User.email == email.strip().lower())).first()


def membership(db: Session, organization_id: str, user_id: str) -> Membership | None:
    return db.exec(
        select(Membership).where(Membership.organization_id == organization_id, Membership.user_id == user_id)
    ).first()


def memberships_of(db: Session, user_id: str) -> Sequence[Membership]:
    return db.exec(select(Membership).where(Membership.user_id == user_id).order_by(col(Membership.id))).all()


def keys_made_by(db: Session, key_id: str) -> Sequence[ApiKey]:
    return db.exec(select(ApiKey).where(ApiKey.made_by_key == key_id)).all()


def keys_page(
    db: Session, me: Principal, *, everyone: bool, limit: int, before: str | None
) -> Sequence[tuple[ApiKey, User]]:
    """Newest first, one more than `limit`. `everyone`: the whole organization's, which admins may see."""
    statement = (
        select(ApiKey, User)
        .join(User, col(User.id) == ApiKey.user_id)
        .where(ApiKey.organization_id == me.organization_id)
        .order_by(col(ApiKey.id).desc())
        .limit(limit + 1)
    )
    if not (everyone and me.is_admin):
        statement = statement.where(ApiKey.user_id == me.user_id)
    if before is not None:
        statement = statement.where(col(ApiKey.id) < before)
    return db.exec(statement).all()


def sessions_of(db: Session, me: Principal, now: datetime) -> Sequence[SignInSession]:
    return db.exec(
        select(SignInSession)
        .where(SignInSession.user_id == me.user_id, SignInSession.expires_at > now)
        .order_by(col(SignInSession.id).desc())
        .limit(100)
    ).all()


def usable_link(db: Session, digest: str, now: datetime) -> SignInLink | None:
    link = db.get(SignInLink, digest)
    return link if link is not None and link.used_at is None and link.expires_at > now else None

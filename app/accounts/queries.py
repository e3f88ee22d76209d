"""Named queries over accounts. Those that list take the principal, whose organization bounds them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlmodel import Session, col, select

from app.accounts.models import Membership, Organization, SignInLink, SignInSession, User
from app.web.action import Role
from app.web.ask import Principal


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


def every_session(db: Session, user_id: str) -> Sequence[SignInSession]:
    return db.exec(select(SignInSession).where(SignInSession.user_id == user_id)).all()


def sessions_of(db: Session, me: Principal, now: datetime) -> Sequence[SignInSession]:
    """A person's own, wherever they are; to a key, those that are in its organization."""
    statement = (
        select(SignInSession)
        .where(SignInSession.user_id == me.user_id, SignInSession.expires_at > now)
        .order_by(col(SignInSession.id).desc())
        .limit(100)
    )
    if me.key_id is not None:
        statement = statement.where(SignInSession.organization_id == me.organization_id)
    return db.exec(statement).all()


def endable_session(db: Session, me: Principal, session_id: str) -> SignInSession | None:
    """One of `sessions_of`; to an admin, also somebody else's that is in the organization."""
    found = db.get(SignInSession, session_id)
    if found is None:
        return None
    own, here = found.user_id == me.user_id, found.organization_id == me.organization_id
    return found if (own and (here or me.key_id is None)) or (here and me.is_admin) else None


def last_session(db: Session, user_id: str) -> SignInSession | None:
    return db.exec(
        select(SignInSession).where(SignInSession.user_id == user_id).order_by(col(SignInSession.id).desc()).limit(1)
    ).first()


def usable_link(db: Session, digest: str, now: datetime) -> SignInLink | None:
    link = db.get(SignInLink, digest)
    return link if link is not None and link.used_at is None and link.expires_at > now else None

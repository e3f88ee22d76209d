"""Named queries over the members of an organization. Each begins with the organization."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import func, or_
from sqlmodel import Session, col, select
from sqlmodel.sql.expression import SelectOfScalar

from app.accounts.models import ApiKey, Membership, Organization, SignInSession, User
from app.web.action import Role
from app.web.gate import is_id
from app.web.problems import NotFound

Member = tuple[Membership, User]


def lock(db: Session, organization_id: str) -> None:
    """Make others who would change who belongs to the organization wait for this transaction's end.

    Postgres locks the row, but not its key: rows that refer to it are still written. On SQLite there is one writer.
    """
    db.exec(select(Organization.id).where(Organization.id == organization_id).with_for_update(key_share=True)).one()


def newest(
    db: Session, organization_id: str, *, limit: int, before: str | None, q: str | None, role: Role | None
) -> Sequence[Member]:
    """Newest first, one more than `limit`. `q` is looked for in names and addresses, whatever its case."""
    statement = (
        select(Membership, User)
        .join(User, col(User.id) == Membership.user_id)
        .where(Membership.organization_id == organization_id)
        .order_by(col(Membership.id).desc())
        .limit(limit + 1)
    )
    if before is not None:
        statement = statement.where(col(Membership.id) < before)
    if role is not None:
        statement = statement.where(Membership.role == role)
    if q:
        statement = statement.where(
            or_(col(User.name).icontains(q, autoescape=True), col(User.email).icontains(q, autoescape=True))
        )
    return db.exec(statement).all()


def member(db: Session, organization_id: str, membership_id: str) -> Membership | None:
    """As it is now, whatever this session read of it before."""
    return db.exec(
        select(Membership)
        .where(Membership.id == membership_id, Membership.organization_id == organization_id)
        .execution_options(populate_existing=True)
    ).first()


def member_and_user(db: Session, organization_id: str, membership_id: str) -> Member:
    """Raises NotFound where there is no such member, or no longer."""
    statement = (
        select(Membership, User)
        .join(User, col(User.id) == Membership.user_id)
        .where(Membership.id == membership_id, Membership.organization_id == organization_id)
    )
    found = db.exec(statement).first() if is_id(membership_id) else None
    if found is None:
        raise NotFound(f"There is no member {membership_id[:60]!r} here.")
    return found


def admins_but(db: Session, organization_id: str, user_id: str, now: datetime) -> int:
    """How many admins there are besides that person, without those who are stepping down."""
    until = col(Membership.stepping_down_until)
    return db.exec(
        select(func.count())
        .select_from(Membership)
        .where(
            Membership.organization_id == organization_id,
            Membership.role == Role.ADMIN,
            Membership.user_id != user_id,
            or_(until.is_(None), until <= now),
        )
    ).one()


def first_admin_but(db: Session, organization_id: str, user_id: str) -> User | None:
    return db.exec(
        select(User)
        .join(Membership, col(Membership.user_id) == User.id)
        .where(
            Membership.organization_id == organization_id, Membership.role == Role.ADMIN, Membership.user_id != user_id
        )
        .order_by(col(Membership.id))
        .limit(1)
    ).first()


def keys_of(db: Session, organization_id: str, user_id: str) -> Sequence[ApiKey]:
    """The person's keys of this organization that are not revoked."""
    return db.exec(
        select(ApiKey).where(
            ApiKey.organization_id == organization_id, ApiKey.user_id == user_id, col(ApiKey.revoked_at).is_(None)
        )
    ).all()


def sessions_in(db: Session, organization_id: str, user_id: str) -> Sequence[SignInSession]:
    """The person's sessions whose current organization is this one."""
    return db.exec(_sessions(user_id).where(SignInSession.organization_id == organization_id)).all()


def _sessions(user_id: str) -> SelectOfScalar[SignInSession]:
    return select(SignInSession).where(SignInSession.user_id == user_id)

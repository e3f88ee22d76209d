"""Named queries over invitations. Those for people begin with the organization; a link's is found by its token."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ColumnElement
from sqlmodel import Session, col, select

from app.accounts.invitations.models import Invitation, InvitationState
from app.accounts.models import User

OPEN = (col(Invitation.accepted_at).is_(None), col(Invitation.revoked_at).is_(None))


def newest(
    db: Session, organization_id: str, *, limit: int, before: str | None, state: InvitationState | None, now: datetime
) -> Sequence[tuple[Invitation, User | None]]:
    """With who invited, newest first, one more than `limit`."""
    statement = (
        select(Invitation, User)
        .join(User, col(User.id) == Invitation.invited_by, isouter=True)
        .where(Invitation.organization_id == organization_id, *_in(state, now))
        .order_by(col(Invitation.id).desc())
        .limit(limit + 1)
    )
    if before is not None:
        statement = statement.where(col(Invitation.id) < before)
    return db.exec(statement).all()


def _in(state: InvitationState | None, now: datetime) -> Sequence[ColumnElement[bool]]:
    if state is None:
        return ()
    if state is InvitationState.ACCEPTED:
        return (col(Invitation.accepted_at).is_not(None),)
    if state is InvitationState.REVOKED:
        return (col(Invitation.revoked_at).is_not(None), col(Invitation.accepted_at).is_(None))
    expires = col(Invitation.expires_at)
    return (*OPEN, expires > now if state is InvitationState.PENDING else expires <= now)


def open_for(db: Session, organization_id: str, email: str) -> Invitation | None:
    """The one that is neither accepted nor revoked; it may have expired."""
    return db.exec(
        select(Invitation).where(Invitation.organization_id == organization_id, Invitation.email == email, *OPEN)
    ).first()


def pending_of(db: Session, organization_id: str, user_id: str, now: datetime) -> Sequence[Invitation]:
    """Those that the person sent, as they are now, locked until this transaction ends."""
    return db.exec(
        select(Invitation)
        .where(
            Invitation.organization_id == organization_id,
            Invitation.invited_by == user_id,
            *_in(InvitationState.PENDING, now),
        )
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    ).all()


def by_digest(db: Session, digest: str) -> Invitation | None:
    return db.exec(select(Invitation).where(Invitation.digest == digest)).first()


def held(db: Session, invitation_id: str) -> Invitation | None:
    """As it is now, locked until this transaction ends."""
    return db.exec(
        select(Invitation)
        .where(Invitation.id == invitation_id)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    ).first()


def held_in(db: Session, organization_id: str, invitation_id: str) -> Invitation | None:
    found = held(db, invitation_id)
    return found if found is not None and found.organization_id == organization_id else None

"""Our rows of the invitations that WorkOS keeps and mails.

WorkOS may keep several pending ones for an address, each of which lets the person in; here one is open. So one stays,
and the others are surplus, to be revoked there, as is what was revoked here and WorkOS would still honour.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlmodel import Session, select

from app import events
from app.accounts import queries
from app.accounts.invitations.models import Invitation
from app.accounts.invitations.queries import open_for
from app.accounts.models import Organization
from app.accounts.workos.names import LABEL
from app.accounts.workos.shapes import InvitationShape
from app.db import new_id
from app.events.record import ADMINS
from app.web.ask import Actor

JUST_NOW = timedelta(minutes=1)  # whoever sent or revoked it may not be done yet, and a list may be older


def by(organization: Organization) -> Actor:
    """WorkOS, as the trail of an organization names it."""
    return Actor(organization_id=organization.id, kind="system", name=LABEL)


def invitation_of(db: Session, external_id: str) -> Invitation | None:
    return db.exec(select(Invitation).where(Invitation.external_id == external_id)).first()


def take_invitations(
    db: Session, organization: Organization, remotes: Sequence[InvitationShape], now: datetime
) -> None:
    """Make our rows say what WorkOS said. What had ended before it was known here, and what is surplus, has none."""
    staying = _staying(db, remotes, now)
    for remote in remotes:
        if remote.is_pending(now):
            if remote.id in staying:
                _take_pending(db, organization, remote, now)
        else:
            _take_ended(db, organization, remote, now)


def surplus(db: Session, remotes: Sequence[InvitationShape], now: datetime) -> list[str]:
    """WorkOS's ids of those that are pending though revoked here, or beside the one that stays.

    The youngest of the latter are left to who sent them.
    """
    staying = _staying(db, remotes, now)
    pending = [r for r in remotes if r.is_pending(now) and r.id not in staying]
    return [r.id for r in pending if _is_revoked(db, r) or r.created_at < now - JUST_NOW]


def _staying(db: Session, remotes: Sequence[InvitationShape], now: datetime) -> set[str]:
    """Of each address's pending ones the one that is open here, else the oldest that was not revoked here."""
    staying: dict[str, str] = {}
    for remote in (r for r in remotes if r.is_pending(now) and not _is_revoked(db, r)):
        if remote.email not in staying or _is_open(db, remote):
            staying[remote.email] = remote.id
    return set(staying.values())


def _is_open(db: Session, remote: InvitationShape) -> bool:
    ours = invitation_of(db, remote.id)
    return ours is not None and ours.accepted_at is None and ours.revoked_at is None


def _is_revoked(db: Session, remote: InvitationShape) -> bool:
    ours = invitation_of(db, remote.id)
    return ours is not None and ours.revoked_at is not None


def _take_pending(db: Session, organization: Organization, remote: InvitationShape, now: datetime) -> None:
    invitation = invitation_of(db, remote.id)
    if invitation is None:
        _close_open_one(db, organization, remote, now)
        invitation = Invitation(
            id=new_id("inv"), organization_id=organization.id, external_id=remote.id, email=remote.email,
            role=remote.role, created_at=remote.created_at, sent_at=remote.created_at, expires_at=remote.expires_at,
        )  # fmt: skip
        _record(db, organization, invitation, "created")
    invitation.expires_at = remote.expires_at
    db.add(invitation)
    db.flush()


def _take_ended(db: Session, organization: Organization, remote: InvitationShape, now: datetime) -> None:
    invitation = invitation_of(db, remote.id)
    if invitation is None:
        return
    if remote.state == "accepted" and invitation.accepted_at is None:
        _close(db, organization, invitation, "accepted", now)
    elif remote.state == "revoked" and invitation.revoked_at is None:
        _close(db, organization, invitation, "revoked", now)
    invitation.expires_at = remote.expires_at
    db.add(invitation)
    db.flush()


def _close_open_one(db: Session, organization: Organization, remote: InvitationShape, now: datetime) -> None:
    """One that WorkOS does not list as pending makes room for this one."""
    earlier = open_for(db, organization.id, remote.email)
    if earlier is not None:
        _close(db, organization, earlier, "revoked", now)
        db.flush()


def _close(db: Session, organization: Organization, invitation: Invitation, how: str, now: datetime) -> None:
    if how == "accepted":
        invitation.accepted_at = now
        user = queries.user_by_email(db, invitation.email)
        invitation.accepted_by = user.id if user else None
    else:
        invitation.revoked_at = now
    db.add(invitation)
    _record(db, organization, invitation, how)


def _record(db: Session, organization: Organization, invitation: Invitation, what: str) -> None:
    events.record(
        db, by(organization), f"invitation.{what}", subject_id=invitation.id, subject_name=invitation.email,
        data={"role": invitation.role}, private_to=ADMINS,
    )  # fmt: skip

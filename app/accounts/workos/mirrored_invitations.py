"""Our rows of the invitations that WorkOS keeps and mails."""

from __future__ import annotations

from datetime import datetime

from sqlmodel import Session, col, select

from app import events
from app.accounts import queries
from app.accounts.invitations.models import Invitation
from app.accounts.models import Organization
from app.accounts.workos.names import LABEL
from app.accounts.workos.shapes import InvitationShape
from app.db import new_id
from app.events.record import ADMINS
from app.web.ask import Actor


def by(organization: Organization) -> Actor:
    """WorkOS, as the trail of an organization names it."""
    return Actor(organization_id=organization.id, kind="system", name=LABEL)


def invitation_of(db: Session, external_id: str) -> Invitation | None:
    return db.exec(select(Invitation).where(Invitation.external_id == external_id)).first()


def take_invitation(
    db: Session, organization: Organization, remote: InvitationShape, now: datetime
) -> Invitation | None:
    """None for one that had ended before it was known here."""
    invitation = invitation_of(db, remote.id)
    if invitation is None:
        if remote.state != "pending":
            return None
        invitation = _new_invitation(db, organization, remote, now)
    if remote.state == "accepted" and invitation.accepted_at is None:
        _close(db, organization, invitation, "accepted", now)
    elif remote.state == "revoked" and invitation.revoked_at is None:
        _close(db, organization, invitation, "revoked", now)
    invitation.expires_at = remote.expires_at
    db.add(invitation)
    db.flush()
    return invitation


def _new_invitation(db: Session, organization: Organization, remote: InvitationShape, now: datetime) -> Invitation:
    earlier = db.exec(
        select(Invitation).where(
            Invitation.organization_id == organization.id,
            Invitation.email == remote.email,
            col(Invitation.accepted_at).is_(None),
            col(Invitation.revoked_at).is_(None),
        )
    ).first()
    if earlier is not None:
        _close(db, organization, earlier, "revoked", now)
        db.flush()
    invitation = Invitation(
        id=new_id("inv"), organization_id=organization.id, external_id=remote.id, email=remote.email,
        role=remote.role, created_at=remote.created_at, sent_at=remote.created_at, expires_at=remote.expires_at,
    )  # fmt: skip
    _record(db, organization, invitation, "created")
    return invitation


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

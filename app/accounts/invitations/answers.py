"""What the invitations' Actions answer. A link's token is never among it but in the one answer that hands it over."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from app.accounts import commands
from app.accounts.answers import Owner
from app.accounts.invitations.models import Invitation, InvitationState
from app.accounts.invitations.service import Opened, Standing
from app.accounts.models import User
from app.web.action import Role


@dataclass(frozen=True, slots=True)
class InvitationView:
    id: str
    email: str
    role: Role
    state: InvitationState
    invited_by: Owner | None
    created_at: datetime
    sent_at: datetime
    expires_at: datetime
    accepted_at: datetime | None
    revoked_at: datetime | None

    @classmethod
    def of(cls, invitation: Invitation, inviter: User | None, now: datetime) -> InvitationView:
        return cls(**_fields(invitation, inviter, now))


@dataclass(frozen=True, slots=True)
class InvitationMade(InvitationView):
    """The answer to inviting and sending again. `link` is for the inviter to hand over, once.

    `mailed`: the identity provider keeps the link and mails it, so there is nothing to hand over.
    """

    link: str | None = None
    mailed: bool = False

    @classmethod
    def with_link(cls, invitation: Invitation, inviter: User | None, now: datetime, link: str | None) -> InvitationMade:
        return cls(**_fields(invitation, inviter, now), link=link, mailed=invitation.external_id is not None)


def _fields(invitation: Invitation, inviter: User | None, now: datetime) -> dict[str, Any]:
    return {
        "id": invitation.id,
        "email": invitation.email,
        "role": invitation.role,
        "state": invitation.state(now),
        "invited_by": Owner(inviter.id, inviter.name, inviter.email) if inviter else None,
        "created_at": invitation.created_at,
        "sent_at": invitation.sent_at,
        "expires_at": invitation.expires_at,
        "accepted_at": invitation.accepted_at,
        "revoked_at": invitation.revoked_at,
    }


@dataclass(frozen=True, slots=True)
class JoinView:
    """The page behind a link. `email` and `organization` are empty for a dead one, `state` says how it died.

    `command`: what an operator runs to let an invited person sign in who has an account; None where a provider does.
    """

    standing: Standing
    state: InvitationState | None
    token: str
    email: str
    organization: str
    role: Role | None
    ends_others: bool
    command: str | None

    @classmethod
    def of(cls, opened: Opened, token: str, *, by_link: bool) -> JoinView:
        invitation, organization = opened.invitation, opened.organization
        return cls(
            opened.standing,
            opened.state,
            token,
            invitation.email if invitation else "",
            organization.name if organization else "",
            invitation.role if invitation else None,
            opened.ends_others,
            commands.sign_in_link(invitation.email) if invitation and by_link else None,
        )

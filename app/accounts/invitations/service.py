"""Inviting people into an organization and letting them in. Decisions, not HTTP; the caller commits.

A link admits one person once. It never signs anybody in as somebody who already belongs to an organization: who
invites sees the link, and could otherwise become that person everywhere. Nor does a session let anybody in without the
link: where no provider verifies addresses, whoever was invited first by anybody holds the address, so that joining by
the link ends whatever else acts under it.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlmodel import Session

from app import events
from app.accounts import queries as accounts
from app.accounts import service as account_service
from app.accounts.invitations import queries
from app.accounts.invitations.models import Invitation, InvitationState
from app.accounts.members.queries import lock
from app.accounts.models import Membership, Organization, SignInSession, User
from app.accounts.providers import identities
from app.db import new_id
from app.events.record import ADMINS
from app.web.action import Role
from app.web.ask import Actor, Principal
from app.web.gate import NEEDS_ADMIN
from app.web.identify import digest_of
from app.web.problems import Conflict, FieldError, Forbidden, Gone, Invalid, NotFound

LIFE = timedelta(days=7)
PENDING = InvitationState.PENDING


class Standing(StrEnum):
    """What whoever opened a link can do with it."""

    WELCOME = "welcome"  # not known here: give a name and come in
    JOIN = "join"  # signed in as the invited person
    SIGN_IN = "sign-in"  # the invited person has an account: sign in first
    OTHER = "other"  # signed in as somebody else
    DEAD = "dead"


@dataclass(frozen=True, slots=True)
class Opened:
    """A link as it stands for whoever opened it. `state` is None for a link that never was.

    `ends_others`: joining ends the person's other sessions and their API keys.
    """

    standing: Standing
    state: InvitationState | None = None
    invitation: Invitation | None = None
    organization: Organization | None = None
    ends_others: bool = False


def invite(
    db: Session, organization_id: str, email: str, role: Role, *, actor: Actor, now: datetime
) -> tuple[Invitation, str]:
    """A new invitation and its link's token, which is not kept. Raises Conflict for a member or an open invitation,
    Forbidden where whoever invites has ceased to be an admin meanwhile.
    """
    address = account_service.normal_email(email)
    lock(db, organization_id)
    _check_inviter(db, organization_id, actor)
    _check_free(db, organization_id, address, now)
    token = secrets.token_urlsafe(32)
    invitation = Invitation(
        id=new_id("inv"), organization_id=organization_id, email=address, role=role, invited_by=actor.user_id,
        digest=digest_of(token), created_at=now, sent_at=now, expires_at=now + LIFE,
    )  # fmt: skip
    db.add(invitation)
    _record(db, "invitation.created", invitation, actor)
    return invitation, token


def _check_inviter(db: Session, organization_id: str, actor: Actor) -> None:
    inviter = accounts.membership(db, organization_id, actor.user_id) if actor.user_id else None
    if inviter is None or inviter.role is not Role.ADMIN:
        raise Forbidden(NEEDS_ADMIN)


def _check_free(db: Session, organization_id: str, address: str, now: datetime) -> None:
    user = accounts.user_by_email(db, address)
    if user is not None and accounts.membership(db, organization_id, user.id) is not None:
        raise _taken(f"{address} is a member already.")
    earlier = queries.open_for(db, organization_id, address)
    if earlier is None:
        return
    if earlier.state(now) is InvitationState.PENDING:
        raise _taken(f"{address} is invited already; renew that invitation instead.")
    earlier.revoked_at = now
    db.add(earlier)
    db.flush()


def _taken(message: str) -> Conflict:
    return Conflict(message, errors=[FieldError("email", message)])


def resend(
    db: Session, organization_id: str, invitation_id: str, *, actor: Actor, now: datetime
) -> tuple[Invitation, str]:
    """Another link with its full time before it; the one before is dead. Raises Conflict once accepted or revoked.

    It is now the invitation of whoever sends it, since they alone have the link.
    """
    invitation = _held(db, organization_id, invitation_id)
    _refuse_closed(invitation, now)
    token = secrets.token_urlsafe(32)
    invitation.digest, invitation.sent_at, invitation.expires_at = digest_of(token), now, now + LIFE
    invitation.invited_by = actor.user_id or invitation.invited_by
    db.add(invitation)
    _record(db, "invitation.resent", invitation, actor)
    return invitation, token


def revoke(db: Session, organization_id: str, invitation_id: str, *, actor: Actor, now: datetime) -> None:
    """Its link is dead at once. Once more changes nothing; raises Conflict for one that was accepted."""
    invitation = _held(db, organization_id, invitation_id)
    if invitation.revoked_at is not None:
        return
    _refuse_closed(invitation, now)
    _end(db, invitation, actor, now)


def revoke_those_of(db: Session, organization_id: str, user_id: str, *, actor: Actor, now: datetime) -> int:
    """Revoke what the person invited into the organization and nobody has accepted yet; how many there were.

    Whoever may no longer invite may hold links that still would. The caller holds the organization's lock.
    """
    pending = queries.pending_of(db, organization_id, user_id, now)
    for invitation in pending:
        _end(db, invitation, actor, now)
    return len(pending)


def _end(db: Session, invitation: Invitation, actor: Actor, now: datetime) -> None:
    invitation.revoked_at = now
    db.add(invitation)
    _record(db, "invitation.revoked", invitation, actor)


def _held(db: Session, organization_id: str, invitation_id: str) -> Invitation:
    invitation = queries.held_in(db, organization_id, invitation_id)
    if invitation is None:
        raise NotFound("There is no such invitation here.")
    return invitation


def _refuse_closed(invitation: Invitation, now: datetime) -> None:
    state = invitation.state(now)
    if state in {InvitationState.ACCEPTED, InvitationState.REVOKED}:
        raise Conflict(f"This invitation was {state.value}; make another.")


def look_at(db: Session, token: str, me: Principal | None, now: datetime) -> Opened:
    """What the link would do for `me`. Looking spends nothing."""
    invitation = queries.by_digest(db, digest_of(token)) if token else None
    if invitation is None:
        return Opened(Standing.DEAD)
    state = invitation.state(now)
    if state is not InvitationState.PENDING:
        return Opened(Standing.DEAD, state)
    organization = db.get(Organization, invitation.organization_id)
    standing = _standing(db, invitation, me)
    ends = standing is Standing.JOIN and me is not None and not identities.is_vouched_for(db, me.user_id)
    return Opened(standing, state, invitation, organization, ends)


def _standing(db: Session, invitation: Invitation, me: Principal | None) -> Standing:
    if me is not None:
        return Standing.JOIN if me.session_id and me.email == invitation.email else Standing.OTHER
    user = accounts.user_by_email(db, invitation.email)
    known = user is not None and bool(accounts.memberships_of(db, user.id))
    return Standing.SIGN_IN if known else Standing.WELCOME


def accept(
    db: Session, token: str, name: str, me: Principal | None, *, ip: str, user_agent: str, now: datetime
) -> SignInSession:
    """Let the invited person in, and give the session that now stands in that organization.

    Raises Gone for a dead link, Conflict where somebody else is signed in or should be, Invalid without a name.
    """
    found = queries.by_digest(db, digest_of(token))
    if found is not None:
        lock(db, found.organization_id)
    invitation = queries.held(db, found.id) if found else None
    if invitation is None or invitation.digest != digest_of(token) or invitation.state(now) is not PENDING:
        raise Gone("This invitation was used, revoked or replaced, or it has expired. Ask for another.")
    standing = _standing(db, invitation, me)
    if standing is Standing.OTHER:
        raise Conflict(f"This invitation is for {invitation.email}; sign out first.")
    if standing is Standing.SIGN_IN:
        raise Conflict(f"{invitation.email} has an account here; sign in first, then open the link again.")
    user = _person(db, invitation, name, now)
    actor = Actor(organization_id=invitation.organization_id, kind="user", user_id=user.id, name=user.name, ip=ip)
    invitation.accepted_at, invitation.accepted_by = now, user.id
    db.add(invitation)
    _record(db, "invitation.accepted", invitation, actor)
    if not identities.is_vouched_for(db, user.id):
        account_service.end_credentials(db, user, actor=actor, now=now, but=me.session_id if me else None)
    _add_member(db, invitation, user, actor, now)
    return _session(db, me, user, invitation, actor, ip=ip, user_agent=user_agent, now=now)


def _person(db: Session, invitation: Invitation, name: str, now: datetime) -> User:
    user = accounts.user_by_email(db, invitation.email)
    if user is None:
        user = User(id=new_id("usr"), email=invitation.email, created_at=now)
    user.name = name or user.name
    if not user.name:
        raise Invalid.field("name", "Tell the others what to call you.")
    db.add(user)
    db.flush()
    return user


def _add_member(db: Session, invitation: Invitation, user: User, actor: Actor, now: datetime) -> None:
    if accounts.membership(db, invitation.organization_id, user.id) is not None:
        return
    member = Membership(
        id=new_id("mem"), organization_id=invitation.organization_id, user_id=user.id, role=invitation.role,
        created_at=now,
    )  # fmt: skip
    db.add(member)
    data = {"email": invitation.email, "role": invitation.role, "invitation": invitation.id}
    events.record(db, actor, "member.added", subject_id=member.id, subject_name=user.name, data=data)


def _session(
    db: Session, me: Principal | None, user: User, invitation: Invitation, actor: Actor, *, ip: str, user_agent: str,
    now: datetime,
) -> SignInSession:  # fmt: skip
    mine = db.get(SignInSession, me.session_id) if me and me.session_id else None
    if mine is not None:
        account_service.switch_session(db, mine, invitation.organization_id, actor=actor)
        return mine
    return account_service.begin_session(
        db, user=user, organization_id=invitation.organization_id, ip=ip, user_agent=user_agent, now=now
    )


def _record(db: Session, action: str, invitation: Invitation, actor: Actor) -> None:
    """For admins alone, who alone see invitations."""
    data = {"role": invitation.role}
    events.record(
        db, actor, action, subject_id=invitation.id, subject_name=invitation.email, data=data, private_to=ADMINS
    )

"""Who belongs to an organization, and with which role. An organization always keeps an admin.

Every change takes the organization's lock first and then looks again, so that two at once can't both be the last but
one. Where a provider keeps the memberships, it is asked between two transactions: the first has the admin step down,
who no longer counts as one from then on, and the second writes what the provider did. The caller commits.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlmodel import Session

from app import events
from app.accounts import queries as accounts
from app.accounts import service as account_service
from app.accounts.invitations import service as invitations
from app.accounts.keys.service import revoke_api_keys
from app.accounts.members import queries
from app.accounts.models import Membership, User
from app.accounts.teams import service as teams
from app.jobs.handover import hand_over
from app.web.action import Role
from app.web.ask import Actor
from app.web.problems import Conflict, NotFound

STEPPING_DOWN = timedelta(minutes=1)  # longer than the change at a provider can take


def step_down(db: Session, organization_id: str, membership_id: str, *, now: datetime) -> None:
    """Begin what takes an admin away; of a member nothing is noted. It lapses by itself after STEPPING_DOWN.

    Raises Conflict for the last admin, NotFound where the member has gone.
    """
    member = _held(db, organization_id, membership_id)
    if member.role is Role.ADMIN:
        _keep_an_admin(db, member, now)
        member.stepping_down_until = now + STEPPING_DOWN
        db.add(member)


def stay(db: Session, membership_id: str) -> None:
    """Take back that they step down."""
    member = db.get(Membership, membership_id)
    if member is not None:
        member.stepping_down_until = None
        db.add(member)


def set_role(
    db: Session, organization_id: str, membership_id: str, role: Role, *, actor: Actor, now: datetime,
    even_the_last: bool = False,
) -> Membership:  # fmt: skip
    """Who ceases to be an admin has invited nobody any more: what they sent is revoked.

    Raises Conflict where the last admin would cease to be one, NotFound where the member has gone. With
    `even_the_last` the provider that keeps the memberships has done it already, and is believed.
    """
    member = _held(db, organization_id, membership_id)
    if role is Role.ADMIN:
        member.stepping_down_until = None
    elif not even_the_last:
        _keep_an_admin(db, member, now)
    if member.role is role:
        return member
    was, member.role = member.role, role
    db.add(member)
    data = events.changes(role=(was, role))
    if was is Role.ADMIN:
        data["invitations_revoked"] = invitations.revoke_those_of(
            db, organization_id, member.user_id, actor=actor, now=now
        )
    events.record(db, actor, "member.role_changed", subject_id=member.id, subject_name=_name(db, member), data=data)
    return member


def remove(
    db: Session, organization_id: str, membership_id: str, *, actor: Actor, now: datetime, even_the_last: bool = False
) -> None:
    """End the membership: keys and invitations are revoked, its sessions end, its unfinished jobs go to an admin.

    Those are its keys, and what it sent and nobody has accepted. A person who leaves stays signed in where they belong
    to another organization. Raises Conflict for the last admin, unless `even_the_last`: a provider that keeps the
    memberships has ended it already.
    """
    member = _held(db, organization_id, membership_id)
    if not even_the_last:
        _keep_an_admin(db, member, now)
    left = actor.user_id == member.user_id
    name = _name(db, member)
    jobs = _hand_over(db, member, actor)
    keys = queries.keys_of(db, organization_id, member.user_id)
    revoke_api_keys(db, keys, actor=actor, now=now)
    invited = invitations.revoke_those_of(db, organization_id, member.user_id, actor=actor, now=now)
    teams.forget_member(db, organization_id, member.user_id)
    db.delete(member)
    db.flush()
    _end_sessions(db, member, actor, move_on=left)
    events.record(
        db, actor, "member.left" if left else "member.removed", subject_id=member.id, subject_name=name,
        data={
            "user": member.user_id, "keys_revoked": len(keys), "jobs_handed_over": jobs, "invitations_revoked": invited,
        },
    )  # fmt: skip


def _held(db: Session, organization_id: str, membership_id: str) -> Membership:
    queries.lock(db, organization_id)
    member = queries.member(db, organization_id, membership_id)
    if member is None:
        raise NotFound("This member has left the organization meanwhile.")
    return member


def _keep_an_admin(db: Session, member: Membership, now: datetime) -> None:
    if member.role is Role.ADMIN and queries.admins_but(db, member.organization_id, member.user_id, now) == 0:
        raise Conflict("This is the organization's last admin; make somebody else an admin first.")


def _hand_over(db: Session, member: Membership, actor: Actor) -> int:
    """To the admin who removes, else to the longest-serving one."""
    remover = accounts.membership(db, member.organization_id, actor.user_id) if actor.user_id else None
    if remover is not None and remover.id != member.id and remover.role is Role.ADMIN:
        heir = db.get(User, remover.user_id)
    else:
        heir = queries.first_admin_but(db, member.organization_id, member.user_id)
    if heir is None:
        return 0
    return hand_over(db, member.organization_id, giver=member.user_id, heir=heir.id, heir_name=_called(heir), by=actor)


def _end_sessions(db: Session, member: Membership, actor: Actor, *, move_on: bool) -> None:
    others = accounts.memberships_of(db, member.user_id) if move_on else []
    for session in queries.sessions_in(db, member.organization_id, member.user_id):
        if others:
            session.organization_id = others[0].organization_id
            db.add(session)
        else:
            account_service.end_session(db, session, actor=actor)


def _name(db: Session, member: Membership) -> str:
    user = db.get(User, member.user_id)
    return _called(user) if user else member.user_id


def _called(user: User) -> str:
    return user.name or user.email or "Administrator"

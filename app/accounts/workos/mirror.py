"""Our rows of what WorkOS keeps: organizations, memberships, invitations, as they were in an answer of WorkOS.

An answer is the whole truth of an organization at one moment, so that the order in which news of it come does not
matter. Rows without an external id are ours alone and are left as they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlmodel import Session, col, select

from app import events
from app.accounts import queries, service
from app.accounts.invitations import service as invitations
from app.accounts.members import service as members
from app.accounts.members.queries import lock
from app.accounts.models import ApiKey, Membership, Organization, SignInSession, User
from app.accounts.providers import identities
from app.accounts.providers.models import Identity
from app.accounts.providers.protocol import Arrival, Person, RemoteMembership
from app.accounts.workos.mirrored_invitations import by, take_invitations
from app.accounts.workos.names import NAME
from app.accounts.workos.shapes import InvitationShape
from app.db import new_id
from app.settings import Settings
from app.web.action import Role

JUST_MADE = timedelta(minutes=1)  # a list may be older than a membership that is younger


@dataclass(frozen=True, slots=True)
class Snapshot:
    """An organization at WorkOS. `ended`: memberships that were asked after one by one, and are no more.

    `known`: those that we had when it was asked for. One that has gone since was ended here, and the list is older.
    """

    id: str
    name: str
    members: tuple[tuple[RemoteMembership, Person], ...]
    invitations: tuple[InvitationShape, ...]
    ended: tuple[str, ...]
    known: tuple[str, ...] = ()


def organization_of(db: Session, external_id: str) -> Organization | None:
    return db.exec(select(Organization).where(Organization.external_id == external_id)).first()


def external_organizations(db: Session) -> list[str]:
    """WorkOS's ids of all organizations that are mirrored."""
    rows = db.exec(select(Organization.external_id).where(col(Organization.external_id).is_not(None)))
    return [external for external in rows if external]


def membership_of(db: Session, external_id: str) -> Membership | None:
    return db.exec(select(Membership).where(Membership.external_id == external_id)).first()


def memberships_in(db: Session, organization: Organization) -> dict[str, str]:
    """Those that are kept at WorkOS: its id of each, and ours."""
    rows = db.exec(
        select(Membership.external_id, Membership.id).where(
            Membership.organization_id == organization.id, col(Membership.external_id).is_not(None)
        )
    )
    return {external: ours for external, ours in rows if external}


def take_over(db: Session, snapshot: Snapshot, settings: Settings, now: datetime) -> Organization:
    """Make our rows say what WorkOS said."""
    organization = take_organization(db, snapshot.id, snapshot.name, settings, now)
    lock(db, organization.id)
    gone = set(snapshot.known) - set(memberships_in(db, organization))
    for remote, person in snapshot.members:
        if remote.id in gone:
            continue
        user = identities.user_for(db, NAME, person, organization_id=organization.id, now=now)
        take_membership(db, organization, user, remote, now)
    ours = memberships_in(db, organization)
    for external_id in snapshot.ended:
        if external_id in ours:
            end_membership(db, organization, ours[external_id], now)
    take_invitations(db, organization, snapshot.invitations, now)
    return organization


def take_arrival(db: Session, arrival: Arrival, settings: Settings, now: datetime) -> User | None:
    """The user who arrived, with the memberships that WorkOS lists of them; None for somebody without any."""
    for remote in arrival.memberships:
        organization = take_organization(db, remote.organization_id, remote.organization_name, settings, now)
        user = identities.user_for(db, NAME, arrival.person, organization_id=organization.id, now=now)
        take_membership(db, organization, user, remote, now)
    known = identities.known(db, NAME, arrival.person.subject)
    if known is not None:
        _end_others(db, known, {m.id for m in arrival.memberships}, now)
    return known


def _end_others(db: Session, user: User, listed: set[str], now: datetime) -> None:
    for member in queries.memberships_of(db, user.id):
        kept_there = member.external_id is not None and member.created_at < now - JUST_MADE
        organization = db.get(Organization, member.organization_id)
        if kept_there and member.external_id not in listed and organization is not None:
            end_membership(db, organization, member.id, now)


def take_organization(db: Session, external_id: str, name: str, settings: Settings, now: datetime) -> Organization:
    organization = organization_of(db, external_id) or _first_one(db, external_id, settings)
    if organization is None:
        organization = service.new_organization(db, name=name, now=now)
        events.record(db, by(organization), "organization.created", subject_id=organization.id, subject_name=name)
    elif organization.name != name:
        events.record(
            db, by(organization), "organization.renamed", subject_id=organization.id, subject_name=name,
            data=events.changes(name=(organization.name, name)),
        )  # fmt: skip
    organization.external_id, organization.name = external_id, name
    db.add(organization)
    db.flush()
    return organization


def _first_one(db: Session, external_id: str, settings: Settings) -> Organization | None:
    """This server's first organization, if it is not linked yet and this is the one it stands for.

    Without a setting that says which it is, only a server that nobody has used yet gives it to the first that comes.
    """
    home = queries.first_organization(db)
    if home is None or home.external_id is not None:
        return None
    if settings.auth_organization_id:
        return home if settings.auth_organization_id == external_id else None
    return home if _untouched(db, home) else None


def _untouched(db: Session, home: Organization) -> bool:
    people = db.exec(
        select(User).join(Membership, col(Membership.user_id) == User.id).where(Membership.organization_id == home.id)
    ).all()
    return all(_is_nobody(db, user) for user in people)


def _is_nobody(db: Session, user: User) -> bool:
    """The admin that a server begins with, until somebody signs in as them or makes them a key."""
    used = (
        db.exec(select(table.id).where(table.user_id == user.id).limit(1)).first() for table in (SignInSession, ApiKey)
    )
    return not user.name and user.email is None and not any(used)


def take_membership(
    db: Session, organization: Organization, user: User, remote: RemoteMembership, now: datetime
) -> Membership:
    member = membership_of(db, remote.id) or queries.membership(db, organization.id, user.id)
    if member is None:
        member = Membership(
            id=new_id("mem"), organization_id=organization.id, user_id=user.id, role=remote.role, created_at=now
        )
        data = {"email": user.email, "role": remote.role}
        events.record(db, by(organization), "member.added", subject_id=member.id, subject_name=_called(user), data=data)
    elif _is_older(member, remote, now):
        return member
    elif member.role is not remote.role:
        data = events.changes(role=(member.role, remote.role))
        if member.role is Role.ADMIN:
            invitations.revoke_those_of(db, organization.id, user.id, actor=by(organization), now=now)
        events.record(
            db, by(organization), "member.role_changed", subject_id=member.id, subject_name=_called(user), data=data
        )
    member.external_id, member.role = remote.id, remote.role
    db.add(member)
    db.flush()
    if member.role is Role.ADMIN:
        _dismiss_nobody(db, organization, member)
    return member


def _is_older(member: Membership, remote: RemoteMembership, now: datetime) -> bool:
    """Whether WorkOS was asked before an admin stepped down here, which it had not heard of then."""
    until = member.stepping_down_until
    return remote.role is Role.ADMIN and member.role is not Role.ADMIN and until is not None and now < until


def _dismiss_nobody(db: Session, organization: Organization, admin: Membership) -> None:
    """The admin that the server began with goes once there is a real one."""
    for member in db.exec(
        select(Membership).where(
            Membership.organization_id == organization.id,
            col(Membership.external_id).is_(None),
            Membership.id != admin.id,
        )
    ).all():
        user = db.get(User, member.user_id)
        if user is not None and _is_nobody(db, user):
            db.delete(member)
    db.flush()


def end_membership(db: Session, organization: Organization, membership_id: str, now: datetime) -> None:
    members.remove(db, organization.id, membership_id, actor=by(organization), now=now, even_the_last=True)


def organizations_of_person(db: Session, subject: str) -> list[str]:
    """WorkOS's ids of the organizations to which a person belongs here."""
    rows = db.exec(
        select(Organization.external_id)
        .join(Membership, col(Membership.organization_id) == Organization.id)
        .join(Identity, col(Identity.user_id) == Membership.user_id)
        .where(Identity.provider == NAME, Identity.subject == subject, col(Organization.external_id).is_not(None))
    )
    return [external for external in rows if external]


def _called(user: User) -> str:
    return user.name or user.email or "Somebody"

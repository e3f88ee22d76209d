"""What can be done with accounts: members and sessions. Decisions, not HTTP."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from sqlmodel import Session

from app import events
from app.accounts import queries
from app.accounts.devices import queries as devices
from app.accounts.keys.queries import living_keys
from app.accounts.keys.service import revoke_api_key
from app.accounts.models import Membership, Organization, SignInSession, User
from app.accounts.providers import tokens
from app.db import new_id, utcnow
from app.web.action import Role
from app.web.ask import Actor
from app.web.browsers import browser
from app.web.problems import Conflict, Invalid

SESSION_LIFE = timedelta(days=30)


def ensure_home(db: Session) -> Organization:
    """The organization that exists from the first start, with its first admin, who has no email or name yet."""
    home = queries.first_organization(db)
    if home is not None:
        return home
    now = utcnow()
    home = new_organization(db, name="Home", now=now)
    first = User(id=new_id("usr"), created_at=now)
    db.add(first)
    db.flush()
    db.add(Membership(id=new_id("mem"), organization_id=home.id, user_id=first.id, role=Role.ADMIN, created_at=now))
    return home


def new_organization(db: Session, *, name: str, now: datetime) -> Organization:
    organization = Organization(id=new_id("org"), name=name, created_at=now)
    db.add(organization)
    db.flush()
    return organization


def normal_email(email: str) -> str:
    """Trimmed and lower case. Raises Invalid for what can't be an address."""
    address = email.strip().lower()
    name, at, host = address.rpartition("@")
    if not (name and at and host) or len(address) > 254 or any(c.isspace() or not c.isprintable() for c in address):
        raise Invalid.field("email", f"{email[:80]!r} is not an email address.")
    return address


def add_member(
    db: Session, *, organization_id: str, email: str, role: Role, name: str, actor: Actor, now: datetime
) -> Membership:
    """A person in the organization, made if there is none with that address. Conflict if already a member."""
    address = normal_email(email)
    user = queries.user_by_email(db, address)
    if user is None:
        user = User(id=new_id("usr"), email=address, name=name, created_at=now)
        db.add(user)
        db.flush()
    elif queries.membership(db, organization_id, user.id) is not None:
        raise Conflict(f"{address} is a member already.")
    else:
        end_credentials(db, user, actor=actor, now=now)
    member = Membership(id=new_id("mem"), organization_id=organization_id, user_id=user.id, role=role, created_at=now)
    db.add(member)
    data = {"email": address, "role": role}
    events.record(db, actor, "member.added", subject_id=member.id, subject_name=name or address, data=data)
    return member


def end_credentials(db: Session, user: User, *, actor: Actor, now: datetime, but: str | None = None) -> None:
    """End the person's sessions but `but`, and all their keys and approvals of terminals, in every organization.

    Whoever held them may have proved nothing about the address: anybody can make an organization and invite one.
    """
    for session in queries.every_session(db, user.id):
        if session.id != but:
            end_session(db, session, actor=_in_trail_of(session.organization_id, actor))
    for key in living_keys(db, user.id):
        revoke_api_key(db, key, actor=_in_trail_of(key.organization_id, actor), now=now)
    devices.forget_approvals(db, user.id)


def _in_trail_of(organization_id: str, actor: Actor) -> Actor:
    """As another organization's trail may name them: not from where."""
    if organization_id == actor.organization_id:
        return actor
    return replace(actor, organization_id=organization_id, ip=None, request_id=None)


def begin_session(
    db: Session, *, user: User, organization_id: str, ip: str, user_agent: str, now: datetime
) -> SignInSession:
    session = SignInSession(
        id=new_id("ses"),
        user_id=user.id,
        organization_id=organization_id,
        created_at=now,
        last_seen_at=now,
        expires_at=now + SESSION_LIFE,
        ip=ip[:45],
        user_agent=user_agent[:300],
    )
    db.add(session)
    actor = Actor(organization_id=organization_id, kind="user", user_id=user.id, name=user.name, ip=session.ip)
    _record_session(db, actor, "session.began", session)
    return session


def end_session(db: Session, session: SignInSession, *, actor: Actor) -> None:
    """End it here at once; a worker ends it at the identity provider, if it began there."""
    tokens.ends(db, session.id, utcnow())
    db.delete(session)
    _record_session(db, actor, "session.ended", session)


def switch_session(db: Session, session: SignInSession, organization_id: str, *, actor: Actor) -> None:
    """Make it the session's current organization; the caller has seen that the person belongs to it."""
    if session.organization_id != organization_id:
        session.organization_id = organization_id
        db.add(session)
        _record_session(db, replace(actor, organization_id=organization_id), "session.switched", session)


def _record_session(db: Session, actor: Actor, action: str, session: SignInSession) -> None:
    events.record(
        db, actor, action, subject_id=session.id, subject_name=browser(session.user_agent),
        private_to=session.user_id,
    )  # fmt: skip


def leave_behind(db: Session, session_id: str | None) -> None:
    """End the session that a browser had before it signed in anew."""
    session = db.get(SignInSession, session_id) if session_id else None
    if session is not None:
        actor = Actor(organization_id=session.organization_id, kind="user", user_id=session.user_id)
        end_session(db, session, actor=actor)
        db.flush()

"""What people and programs can do with accounts: members, API keys, sessions. Decisions, not HTTP."""

from __future__ import annotations

import secrets
from dataclasses import replace
from datetime import datetime, timedelta

from sqlmodel import Session

from app import events
from app.accounts import queries
from app.accounts.devices import queries as devices
from app.accounts.models import ApiKey, Membership, Organization, SignInSession, User
from app.accounts.providers import tokens
from app.db import new_id, utcnow
from app.web.action import Role, Scope
from app.web.ask import Actor
from app.web.browsers import browser
from app.web.identify import KEY_PREFIX, digest_of
from app.web.problems import Conflict, Invalid, Unauthenticated

SESSION_LIFE = timedelta(days=30)
SHOWN_PREFIX = 8


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


def normalize_scopes(names: list[str]) -> list[Scope]:
    """Trimmed, lower case, once each, sorted. Invalid names the unknown one, or `admin` beside others."""
    wanted: set[Scope] = set()
    for name in names:
        try:
            wanted.add(Scope(name.strip().lower()))
        except ValueError:
            known = ", ".join(Scope)
            raise Invalid.field("scopes", f"There is no scope {name.strip()[:40]!r}; there are {known}.") from None
    if Scope.ADMIN in wanted and len(wanted) > 1:
        raise Invalid.field("scopes", "The scope admin includes every other; choose it alone.")
    return sorted(wanted)


def new_key_text() -> str:
    return KEY_PREFIX + secrets.token_urlsafe(24)


def make_api_key(
    db: Session,
    *,
    organization_id: str,
    user_id: str,
    role: Role,
    name: str,
    scopes: list[str],
    actor: Actor,
    now: datetime,
    expires_at: datetime | None = None,
) -> tuple[ApiKey, str]:
    """A new key and its text, which is not kept. Raises Invalid for wrong scopes or a time that has passed.

    `role` is the owner's at this moment; the key never has more, also when the owner rises later. Unauthenticated where
    the key that makes it has just been revoked: what is made after that would outlive it.
    """
    if actor.key_id is not None and not queries.keep_key(db, actor.key_id):
        raise Unauthenticated("The API key was revoked a moment ago.")
    chosen = normalize_scopes(scopes)
    if expires_at is not None and expires_at <= now:
        raise Invalid.field("expires_at", "Choose a time that lies ahead.")
    text = new_key_text()
    key = ApiKey(
        id=new_id("key"),
        organization_id=organization_id,
        user_id=user_id,
        name=name,
        prefix=text[:SHOWN_PREFIX],
        digest=digest_of(text),
        scopes=",".join(chosen),
        role=role,
        made_by_key=actor.key_id,
        created_at=now,
        expires_at=expires_at,
    )
    db.add(key)
    data = {"scopes": chosen, "expires_at": expires_at}
    events.record(db, actor, "api_key.created", subject_id=key.id, subject_name=name, data=data, private_to=key.user_id)
    return key, text


def rotate_api_key(
    db: Session, key: ApiKey, *, actor: Actor, now: datetime, overlap: timedelta = timedelta(0)
) -> tuple[ApiKey, str]:
    """Give the key another text; the old one works for `overlap` longer, any before it is dead.

    409 for a key that is revoked or has expired.
    """
    if key.revoked_at is not None:
        raise Conflict("This key is revoked; make a new one.")
    if key.expires_at is not None and key.expires_at <= now:
        raise Conflict("This key has expired, and would be dead with another text too; make a new one.")
    text = new_key_text()
    ends = now + overlap if overlap else None
    key.previous_digest, key.previous_ends_at = (key.digest, ends) if ends else (None, None)
    key.digest, key.prefix = digest_of(text), text[:SHOWN_PREFIX]
    db.add(key)
    events.record(
        db, actor, "api_key.rotated", subject_id=key.id, subject_name=key.name, private_to=key.user_id,
        data={"previous_works_until": ends},
    )  # fmt: skip
    return key, text


def revoke_api_key(db: Session, key: ApiKey, *, actor: Actor, now: datetime) -> None:
    """Revoke the key and every key that it made, and that those made."""
    waiting = [key]
    while waiting:
        one = waiting.pop()
        if one.revoked_at is None:
            one.revoked_at = now
            db.add(one)
            db.flush()  # waits for those whom `keep_key` lets make another with it: their keys are found below
            events.record(
                db, actor, "api_key.revoked", subject_id=one.id, subject_name=one.name, private_to=one.user_id
            )
        waiting.extend(queries.keys_made_by(db, one.id))


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
    for key in queries.living_keys(db, user.id):
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

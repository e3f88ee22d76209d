"""Who a person at a provider is here. A link is made once, by an address that the provider has verified."""

from __future__ import annotations

from datetime import datetime

from sqlmodel import Session, select

from app import events
from app.accounts import queries, service
from app.accounts.models import User
from app.accounts.providers.models import Identity
from app.accounts.providers.protocol import Person
from app.db import new_id
from app.web.ask import Actor


def known(db: Session, provider: str, subject: str) -> User | None:
    """The user to whom this identity is linked."""
    identity = db.get(Identity, (provider, subject))
    return db.get(User, identity.user_id) if identity else None


def subject_of(db: Session, provider: str, user_id: str) -> str | None:
    return db.exec(select(Identity.subject).where(Identity.provider == provider, Identity.user_id == user_id)).first()


def is_vouched_for(db: Session, user_id: str) -> bool:
    """Whether some provider has said that the address is this person's. With local sign-in nobody does."""
    return db.exec(select(Identity.subject).where(Identity.user_id == user_id)).first() is not None


def user_for(db: Session, provider: str, person: Person, *, organization_id: str, now: datetime) -> User:
    """The user of this identity: linked before, found by the verified address, or made now.

    The event of a new link is the organization's. What signed in by that address before the link ends with it.
    """
    user = known(db, provider, person.subject)
    if user is None:
        actor = Actor(organization_id=organization_id, kind="system", name=provider)
        user = _by_address(db, provider, person)
        if user is not None:
            service.end_credentials(db, user, actor=actor, now=now)
        else:
            user = _make(db, person, now)
        db.add(Identity(provider=provider, subject=person.subject, user_id=user.id, created_at=now))
        events.record(db, actor, "identity.linked", subject_id=user.id, subject_name=user.name or person.email)
    _bring_up_to_date(db, user, person)
    return user


def _by_address(db: Session, provider: str, person: Person) -> User | None:
    """A user with that address whom this provider does not know by another identity.

    Where it does, the address has passed to another person, who gets none of what belongs to the first.
    """
    if not person.email_verified:
        return None
    found = queries.user_by_email(db, person.email)
    return found if found and subject_of(db, provider, found.id) is None else None


def _make(db: Session, person: Person, now: datetime) -> User:
    user = User(id=new_id("usr"), name=person.name, created_at=now)
    db.add(user)
    db.flush()
    return user


def _bring_up_to_date(db: Session, user: User, person: Person) -> None:
    """The address is the provider's to tell; a name that was given here stays."""
    user.name = user.name or person.name
    if person.email_verified and user.email != person.email:
        former = queries.user_by_email(db, person.email)
        if former is not None:
            former.email = None
            db.add(former)
            db.flush()
        user.email = person.email
    db.add(user)
    db.flush()

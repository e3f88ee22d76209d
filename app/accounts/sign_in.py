"""Local sign-in: a one-time link, printed to standard output alone, signs a person in and asks for a name.

Only the SHA-256 of its token is stored. Opening the page uses nothing up; pressing its button does, so that a
program that looks at links in advance can't spend one.
"""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta

from sqlmodel import Session

from app import events
from app.accounts import commands, queries, service
from app.accounts.models import SignInLink, SignInSession, User
from app.web.ask import Actor
from app.web.identify import digest_of
from app.web.problems import Gone, Invalid

LINK_LIFE = timedelta(minutes=15)


def new_link(db: Session, *, user: User, base_url: str, now: datetime) -> str:
    """The address that signs `user` in, once, within 15 minutes."""
    token = secrets.token_urlsafe(32)
    db.add(SignInLink(digest=digest_of(token), user_id=user.id, created_at=now, expires_at=now + LINK_LIFE))
    for member in queries.memberships_of(db, user.id)[:1]:
        by, called = Actor.system(member.organization_id), user.name or user.email or "the first admin"
        events.record(db, by, "sign_in_link.made", subject_id=user.id, subject_name=called, private_to=user.id)
    return f"{base_url}/sign-in?token={token}"


def person_of(db: Session, token: str, now: datetime) -> User | None:
    link = queries.usable_link(db, digest_of(token), now)
    return db.get(User, link.user_id) if link else None


def use_link(
    db: Session, *, token: str, name: str, ip: str, user_agent: str, now: datetime, instead_of: str | None
) -> SignInSession:
    """Spend the link and begin a session in the place of `instead_of`, this browser's last one.

    Raises Gone for a dead link, Invalid where a name is missing.
    """
    link = queries.usable_link(db, digest_of(token), now)
    user = db.get(User, link.user_id) if link else None
    if link is None or user is None:
        raise Gone(f"This sign-in link was used or has expired. Make another: `{commands.sign_in_link()}`.")
    if not (name or user.name):
        raise Invalid.field("name", "Tell the others what to call you.")
    belongs = queries.memberships_of(db, user.id)
    if not belongs:
        raise Gone("You are not a member of any organization any more.")
    link.used_at = now
    user.name = name or user.name
    db.add_all([link, user])
    service.leave_behind(db, instead_of)
    return service.begin_session(
        db, user=user, organization_id=belongs[0].organization_id, ip=ip, user_agent=user_agent, now=now
    )

"""Making, renaming and switching between organizations. Decisions, not HTTP."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from sqlmodel import Session

from app import events
from app.accounts import queries, service
from app.accounts.models import Membership, Organization, User
from app.db import new_id
from app.web.action import Role
from app.web.ask import Actor
from app.web.problems import Conflict

MOST_OF_ONE = 50


def create(db: Session, *, name: str, founder: User, actor: Actor, now: datetime) -> Organization:
    """A new organization with `founder` as its admin. Its trail begins with this event."""
    if len(queries.memberships_of(db, founder.id)) >= MOST_OF_ONE:
        raise Conflict(f"You belong to {MOST_OF_ONE} organizations; leave one before making another.")
    organization = service.new_organization(db, name=name, now=now)
    db.add(
        Membership(
            id=new_id("mem"), organization_id=organization.id, user_id=founder.id, role=Role.ADMIN, created_at=now
        )
    )
    there = replace(actor, organization_id=organization.id)
    events.record(db, there, "organization.created", subject_id=organization.id, subject_name=name)
    return organization


def rename(db: Session, organization: Organization, name: str, *, actor: Actor) -> None:
    if name == organization.name:
        return
    data = events.changes(name=(organization.name, name))
    organization.name = name
    db.add(organization)
    events.record(db, actor, "organization.renamed", subject_id=organization.id, subject_name=name, data=data)

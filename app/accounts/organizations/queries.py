"""Named queries over organizations: those of a person, and the person as they stand in one of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy import Table, bindparam
from sqlalchemy import select as select_columns
from sqlmodel import Session, col, select

from app.accounts.models import Membership, Organization
from app.accounts.queries import membership
from app.web.ask import Principal
from app.web.elsewhere import OwnOrganization

MOST = 200  # more than a person switches between
ORGANIZATION: Table = Organization.metadata.tables["organization"]
MEMBERSHIP: Table = Membership.metadata.tables["membership"]
_OWN = (
    select_columns(ORGANIZATION.c.id, ORGANIZATION.c.name)
    .join(MEMBERSHIP, MEMBERSHIP.c.organization_id == ORGANIZATION.c.id)
    .where(MEMBERSHIP.c.user_id == bindparam("user"))
    .order_by(ORGANIZATION.c.name, ORGANIZATION.c.id)
    .limit(MOST)
)


def belonging(db: Session, me: Principal) -> Sequence[tuple[Organization, Membership]]:
    """Organizations that the principal belongs to, by name: a key's owner's one alone."""
    statement = (
        select(Organization, Membership)
        .join(Membership, col(Membership.organization_id) == Organization.id)
        .where(Membership.user_id == me.user_id)
        .order_by(col(Organization.name), col(Organization.id))
        .limit(MOST)
    )
    if me.session_id is None:
        statement = statement.where(Organization.id == me.organization_id)
    return db.exec(statement).all()


def called(db: Session, name_or_id: str) -> Sequence[Organization]:
    """The organization of that id, else all of that name, oldest first: names are not unique."""
    found = db.get(Organization, name_or_id)
    if found is not None:
        return [found]
    return db.exec(select(Organization).where(Organization.name == name_or_id).order_by(col(Organization.id))).all()


def all_of(db: Session, user_id: str) -> Sequence[Organization]:
    """Every organization that the person belongs to, the one they joined first before others."""
    return db.exec(
        select(Organization)
        .join(Membership, col(Membership.organization_id) == Organization.id)
        .where(Membership.user_id == user_id)
        .order_by(col(Membership.id))
    ).all()


def organizations_of(db: Session, me: Principal) -> Sequence[OwnOrganization]:
    """The same ones, for the menu of each page."""
    query = _OWN if me.session_id is not None else _OWN.where(ORGANIZATION.c.id == me.organization_id)
    return [OwnOrganization(*row) for row in db.connection().execute(query, {"user": me.user_id})]


def own_organization(db: Session, me: Principal, organization_id: str) -> Organization | None:
    """That organization, if the principal belongs to it."""
    there = principal_in(db, me, organization_id)
    return db.get(Organization, organization_id) if there is not None else None


def principal_in(db: Session, me: Principal, organization_id: str) -> Principal | None:
    """The same person in another organization of theirs; a key stands in its own alone."""
    if organization_id == me.organization_id:
        return me
    if me.session_id is None:
        return None
    found = membership(db, organization_id, me.user_id)
    organization = db.get(Organization, organization_id) if found else None
    if found is None or organization is None:
        return None
    return replace(me, organization_id=organization.id, organization_name=organization.name, role=found.role)

"""Organizations, as operations: those that a person belongs to, making one, switching between them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from pydantic import StringConstraints
from sqlmodel import Session

from app.accounts.answers import OrganizationView
from app.accounts.bodies import Body
from app.accounts.members.queries import admins_but
from app.accounts.models import Organization, SignInSession
from app.accounts.organizations import queries
from app.accounts.queries import membership
from app.accounts.service import switch_session
from app.web.action import Action, Kind, Mount, Role
from app.web.ask import Ask
from app.web.fields import Name, own_path
from app.web.paging import Page
from app.web.problems import Conflict, Forbidden
from app.web.query import Query


@dataclass(frozen=True, slots=True)
class OrganizationDetail:
    """An organization that whoever asks belongs to, with their role in it. `current`: the one they act in."""

    id: str
    name: str
    role: Role
    current: bool
    created_at: datetime


@dataclass(frozen=True, slots=True)
class CurrentOrganization(OrganizationDetail):
    """The page of the organization one acts in. The last admin can't leave it."""

    membership_id: str
    may_leave: bool


class OrganizationCreate(Body):
    name: Name


class OrganizationUpdate(Body):
    name: Name


class SwitchQuery(Query):
    next: Annotated[str, StringConstraints(max_length=2000)] = "/"


def list_organizations(ask: Ask) -> Page[OrganizationDetail]:
    return Page(_mine(ask, ask.db))


def new_organization(_ask: Ask) -> None:
    return None


async def create_organization(ask: Ask, body: OrganizationCreate) -> OrganizationDetail:
    """Make one and be its admin. A person in a browser goes there at once."""
    if ask.principal.session_id is None:
        raise Forbidden("An API key acts in its own organization alone; sign in to make another.")
    made = await ask.site.directory.create_organization(ask, body.name)
    if ask.html:
        await ask.writing(lambda db: _go_to(ask, db, made))
        ask.notice = f"{body.name} is made, and you are its admin."
    return await ask.reading(lambda db: _made(ask, db, made))


def _made(ask: Ask, db: Session, organization_id: str) -> OrganizationDetail:
    """A key makes one for its owner, and does not see it again: it belongs to its own organization."""
    organization = db.get(Organization, organization_id)
    member = membership(db, organization_id, ask.principal.user_id)
    assert organization is not None and member is not None
    return OrganizationDetail(organization.id, organization.name, member.role, ask.html, organization.created_at)


def show_current(ask: Ask) -> CurrentOrganization:
    found = next(o for o in _mine(ask, ask.db) if o.current)
    member = membership(ask.db, ask.organization_id, ask.principal.user_id)
    assert member is not None
    alone = found.role is Role.ADMIN and admins_but(ask.db, ask.organization_id, ask.principal.user_id, ask.now) == 0
    return CurrentOrganization(found.id, found.name, found.role, True, found.created_at, member.id, not alone)


async def rename_organization(ask: Ask, body: OrganizationUpdate) -> OrganizationView:
    await ask.site.directory.rename_organization(ask, body.name)
    ask.notice = f"The organization is called {body.name} now."
    return OrganizationView(ask.organization_id, body.name)


def show_organization(ask: Ask, organization: Organization) -> OrganizationDetail:
    return next(o for o in _mine(ask, ask.db) if o.id == organization.id)


def switch_organization(ask: Ask, organization: Organization) -> OrganizationDetail:
    """Act in that organization from now on, in this session. An API key belongs to one for ever."""
    _go_to(ask, ask.db, organization.id)
    ask.next = own_path(ask.query.next) or "/"
    ask.notice = f"You are in {organization.name} now."
    return next(o for o in _mine(ask, ask.db, now_in=organization.id) if o.id == organization.id)


def _go_to(ask: Ask, db: Session, organization_id: str) -> None:
    session = db.get(SignInSession, ask.principal.session_id) if ask.principal.session_id else None
    if session is None:
        raise Conflict("An API key acts in its own organization alone; make a key in the other one.")
    switch_session(db, session, organization_id, actor=ask.actor)


def _mine(ask: Ask, db: Session, now_in: str | None = None) -> list[OrganizationDetail]:
    current = now_in or ask.organization_id
    rows = queries.belonging(db, ask.principal)
    return [OrganizationDetail(o.id, o.name, m.role, o.id == current, o.created_at) for o, m in rows]


ACTIONS = [
    Action("GET", "/settings/organization", show_current, page="settings/organization.html", mount=Mount.HTML),
    Action(
        "PATCH",
        "/settings/organization",
        rename_organization,
        role=Role.ADMIN,
        body=OrganizationUpdate,
        kind=Kind.RELAY,
        form="/settings/organization",
        then="/settings/organization",
    ),
    Action("GET", "/organizations", list_organizations, page="organizations/index.html"),
    Action("GET", "/organizations/new", new_organization, page="organizations/new.html", mount=Mount.HTML),
    Action(
        "POST",
        "/organizations",
        create_organization,
        body=OrganizationCreate,
        status=201,
        kind=Kind.RELAY,
        form="/organizations/new",
        then="/members",
    ),
    Action(
        "GET",
        "/organizations/{id}",
        show_organization,
        thing=Organization,
        found_by=queries.own_organization,
        mount=Mount.JSON,
    ),
    Action(
        "POST",
        "/organizations/{id}/switch",
        switch_organization,
        thing=Organization,
        found_by=queries.own_organization,
        open_write=True,
        query=SwitchQuery,
        then="/",
    ),
]

"""Teams, as operations. Everybody in the organization sees them; any admin manages them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from pydantic import Field
from sqlmodel import Session

from app.accounts.bodies import Body
from app.accounts.members.answers import MemberView
from app.accounts.members.queries import lock, member_and_user, newest
from app.accounts.models import Membership, User
from app.accounts.teams import queries, service
from app.accounts.teams.models import Team
from app.web.action import Action, Role
from app.web.ask import Ask
from app.web.fields import FilterText, Id, Name
from app.web.paging import ListQuery, Page
from app.web.problems import Invalid, NotFound

OFFERED = 200  # members to choose from in the team's form


@dataclass(frozen=True, slots=True)
class TeamView:
    id: str
    name: str
    size: int
    created_at: datetime


@dataclass(frozen=True, slots=True)
class TeamDetail(TeamView):
    members: list[MemberView]


@dataclass(frozen=True, slots=True)
class TeamPage(TeamDetail):
    """The page's value: the team, and members who could join it."""

    others: list[MemberView]


class TeamQuery(ListQuery):
    q: Annotated[FilterText | None, Field(description="Looked for in names.")] = None


class TeamCreate(Body):
    name: Name


class TeamUpdate(Body):
    name: Name


class TeamJoin(Body):
    member: Annotated[Id, Field(description="The id of a member of the organization: `mem_…`.")]


def list_teams(ask: Ask) -> Page[TeamView]:
    q: TeamQuery = ask.query
    after = q.after(str)
    rows = queries.newest(ask.db, ask.organization_id, limit=q.limit, before=after[0] if after else None, q=q.q)
    return q.page(rows, key=lambda r: (r[0].id,), item=lambda r: TeamView(r[0].id, r[0].name, r[1], r[0].created_at))


def create_team(ask: Ask, body: TeamCreate) -> TeamDetail:
    team = service.create(ask.db, ask.organization_id, body.name, actor=ask.actor, now=ask.now)
    return TeamDetail(team.id, team.name, 0, team.created_at, [])


def show_team(ask: Ask, team: Team) -> TeamDetail:
    whole = _whole(ask.db, team)
    if not ask.html:
        return whole
    return TeamPage(whole.id, whole.name, whole.size, whole.created_at, whole.members, _others(ask, whole))


def rename_team(ask: Ask, team: Team, body: TeamUpdate) -> TeamDetail:
    service.rename(ask.db, team, body.name, actor=ask.actor)
    return _whole(ask.db, team)


def delete_team(ask: Ask, team: Team) -> None:
    service.dissolve(ask.db, team, actor=ask.actor)
    ask.notice = f"The team {team.name} is deleted."


def add_team_member(ask: Ask, team: Team, body: TeamJoin) -> TeamDetail:
    lock(ask.db, ask.organization_id)
    try:
        member, user = member_and_user(ask.db, ask.organization_id, body.member)
    except NotFound as gone:
        raise Invalid.field("member", gone.detail) from None
    service.add(ask.db, team, member, user, actor=ask.actor, now=ask.now)
    ask.db.flush()
    return _whole(ask.db, team)


def remove_team_member(ask: Ask, team: Team) -> None:
    member, user = member_and_user(ask.db, ask.organization_id, ask.path["member_id"])
    service.take_out(ask.db, team, member, user, actor=ask.actor)


def _whole(db: Session, team: Team) -> TeamDetail:
    members = [_view(*row) for row in queries.members_of(db, team)]
    return TeamDetail(team.id, team.name, len(members), team.created_at, members)


def _view(member: Membership, user: User) -> MemberView:
    return MemberView.of(member, user)


def _others(ask: Ask, team: TeamDetail) -> list[MemberView]:
    inside = {member.id for member in team.members}
    rows = newest(ask.db, ask.organization_id, limit=OFFERED + len(inside), before=None, q=None, role=None)
    found = [_view(*row) for row in rows if row[0].id not in inside]
    return sorted(found, key=lambda m: (m.name or m.email or "").casefold())


ACTIONS = [
    Action("GET", "/teams", list_teams, query=TeamQuery, page="teams/index.html"),
    Action("POST", "/teams", create_team, role=Role.ADMIN, body=TeamCreate, status=201, form="/teams"),
    Action("GET", "/teams/{id}", show_team, thing=Team, page="teams/show.html"),
    Action("PATCH", "/teams/{id}", rename_team, thing=Team, role=Role.ADMIN, body=TeamUpdate, form="/teams/{id}"),
    Action("DELETE", "/teams/{id}", delete_team, thing=Team, role=Role.ADMIN, status=204),
    Action(
        "POST", "/teams/{id}/members", add_team_member, thing=Team, role=Role.ADMIN, body=TeamJoin, form="/teams/{id}"
    ),
    Action(
        "DELETE",
        "/teams/{id}/members/{member_id}",
        remove_team_member,
        thing=Team,
        role=Role.ADMIN,
        status=204,
        then="/teams/{id}",
    ),
]

"""Members, as operations. Any admin changes roles and removes; everybody may leave."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from app.accounts.bodies import Body
from app.accounts.members import queries
from app.accounts.members.answers import MemberDetail, MemberView
from app.accounts.models import Membership, User
from app.accounts.teams import queries as teams
from app.web.action import Action, Kind, Role
from app.web.ask import Ask
from app.web.fields import FilterText
from app.web.paging import ListQuery, Page


class MemberQuery(ListQuery):
    q: Annotated[FilterText | None, Field(description="Looked for in names and addresses.")] = None
    role: Role | None = None


class MemberUpdate(Body):
    role: Role


def list_members(ask: Ask) -> Page[MemberView]:
    q: MemberQuery = ask.query
    after = q.after(str)
    rows = queries.newest(
        ask.db, ask.organization_id, limit=q.limit, before=after[0] if after else None, q=q.q, role=q.role
    )
    return q.page(rows, key=lambda r: (r[0].id,), item=lambda r: MemberView.of(*r))


def show_member(ask: Ask, member: Membership) -> MemberDetail:
    user = ask.db.get(User, member.user_id)
    assert user is not None
    return MemberDetail.whole(
        member,
        user,
        me=ask.principal,
        teams=teams.teams_of(ask.db, member.organization_id, user.id),
        only_admin=member.role is Role.ADMIN
        and queries.admins_but(ask.db, member.organization_id, member.user_id, ask.now) == 0,
    )


async def update_member(ask: Ask, member: Membership, body: MemberUpdate) -> MemberView:
    await ask.site.directory.set_role(ask, member.id, body.role)
    now = await _view(ask, member)
    ask.notice = f"{_called(now)} is {'an admin' if now.role is Role.ADMIN else 'a member'} now."
    return now


async def remove_member(ask: Ask, member: Membership) -> None:
    """End a membership; one's own is leaving."""
    who = await _view(ask, member)
    await ask.site.directory.remove_member(ask, member.id)
    if who.user_id == ask.principal.user_id:
        ask.next = "/"
        ask.notice = f"You have left {ask.principal.organization_name}."
    else:
        ask.notice = f"{_called(who)} is removed."


async def _view(ask: Ask, member: Membership) -> MemberView:
    return await ask.reading(lambda db: MemberView.of(*queries.member_and_user(db, ask.organization_id, member.id)))


def _called(member: MemberView) -> str:
    return member.name or member.email or "The administrator"


ACTIONS = [
    Action("GET", "/members", list_members, query=MemberQuery, page="members/index.html"),
    Action("GET", "/members/{id}", show_member, thing=Membership, page="members/show.html"),
    Action(
        "PATCH",
        "/members/{id}",
        update_member,
        thing=Membership,
        role=Role.ADMIN,
        body=MemberUpdate,
        kind=Kind.RELAY,
        form="/members/{id}",
    ),
    Action(
        "DELETE",
        "/members/{id}",
        remove_member,
        thing=Membership,
        owner_only=True,
        kind=Kind.RELAY,
        status=204,
        form="/members/{id}",
        then="/members",
    ),
]

"""Invitations, as operations for admins, and the page behind a link for whoever was invited."""

from __future__ import annotations

from typing import Annotated

from pydantic import StringConstraints
from sqlmodel import Session

from app.accounts.bodies import Body
from app.accounts.directory import Invited
from app.accounts.invitations import queries, service
from app.accounts.invitations.answers import InvitationMade, InvitationView, JoinView
from app.accounts.invitations.models import Invitation, InvitationState
from app.accounts.models import User
from app.accounts.providers.protocol import RemoteProvider
from app.accounts.service import SESSION_LIFE
from app.web.action import Action, Kind, Limit, Mount, Role
from app.web.ask import Ask, NewCookie
from app.web.fields import Name
from app.web.paging import ListQuery, Page
from app.web.query import Query

Token = Annotated[str, StringConstraints(max_length=100)]


class InvitationQuery(ListQuery):
    state: InvitationState | None = None


class InvitationCreate(Body):
    email: Annotated[str, StringConstraints(strip_whitespace=True, min_length=3, max_length=254)]
    role: Role = Role.MEMBER


class JoinQuery(Query):
    token: Token = ""


class Join(Body):
    token: Token
    name: Name | None = None


def list_invitations(ask: Ask) -> Page[InvitationView]:
    q: InvitationQuery = ask.query
    after = q.after(str)
    before = after[0] if after else None
    rows = queries.newest(ask.db, ask.organization_id, limit=q.limit, before=before, state=q.state, now=ask.now)
    return q.page(rows, key=lambda r: (r[0].id,), item=lambda r: InvitationView.of(*r, ask.now))


def new_invitation(_ask: Ask) -> None:
    return None


async def create_invitation(ask: Ask, body: InvitationCreate) -> InvitationMade:
    """Invite an address. With local sign-in the answer has the link, this once, for whoever invites to hand over."""
    return await _handed_over(ask, await ask.site.directory.invite(ask, body.email, body.role))


def show_invitation(ask: Ask, invitation: Invitation) -> InvitationMade:
    return InvitationMade.with_link(invitation, _inviter(ask.db, invitation), ask.now, None)


async def resend_invitation(ask: Ask, invitation: Invitation) -> InvitationMade:
    """Another link with seven days before it; the one before is dead."""
    return await _handed_over(ask, await ask.site.directory.resend(ask, invitation.id))


async def revoke_invitation(ask: Ask, invitation: Invitation) -> None:
    await ask.site.directory.revoke(ask, invitation.id)
    ask.notice = f"The invitation for {invitation.email} is revoked."


async def _handed_over(ask: Ask, invited: Invited) -> InvitationMade:
    def read(db: Session) -> InvitationMade:
        invitation = db.get(Invitation, invited.id)
        assert invitation is not None
        return InvitationMade.with_link(invitation, _inviter(db, invitation), ask.now, invited.link)

    return await ask.reading(read)


def _inviter(db: Session, invitation: Invitation) -> User | None:
    return db.get(User, invitation.invited_by) if invitation.invited_by else None


def show_join(ask: Ask) -> JoinView:
    token = ask.query.token
    by_link = not isinstance(ask.site.provider, RemoteProvider)
    return JoinView.of(service.look_at(ask.db, token, ask.someone, ask.now), token, by_link=by_link)


def join(ask: Ask, body: Join) -> None:
    session = service.accept(
        ask.db, body.token, body.name or "", ask.someone, ip=ask.ip, user_agent=ask.user_agent, now=ask.now
    )
    ask.cookie = NewCookie(session_id=session.id, max_age=int(SESSION_LIFE.total_seconds()))


ACTIONS = [
    Action(
        "GET", "/invitations", list_invitations, role=Role.ADMIN, query=InvitationQuery, page="invitations/index.html"
    ),
    Action("GET", "/invitations/new", new_invitation, role=Role.ADMIN, page="invitations/new.html", mount=Mount.HTML),
    Action(
        "POST",
        "/invitations",
        create_invitation,
        role=Role.ADMIN,
        body=InvitationCreate,
        status=201,
        kind=Kind.RELAY,
        page="invitations/show.html",
        form="/invitations/new",
    ),
    Action(
        "GET", "/invitations/{id}", show_invitation, thing=Invitation, role=Role.ADMIN, page="invitations/show.html"
    ),
    Action(
        "POST",
        "/invitations/{id}/resend",
        resend_invitation,
        thing=Invitation,
        role=Role.ADMIN,
        kind=Kind.RELAY,
        page="invitations/show.html",
        form="/invitations/{id}",
    ),
    Action(
        "DELETE",
        "/invitations/{id}",
        revoke_invitation,
        thing=Invitation,
        role=Role.ADMIN,
        kind=Kind.RELAY,
        status=204,
        form="/invitations/{id}",
    ),
    Action("GET", "/join", show_join, public=True, query=JoinQuery, page="join.html", mount=Mount.HTML),
    Action(
        "POST", "/join", join, public=True, body=Join, limit=Limit.SIGN_IN, form="/join", then="/", mount=Mount.HTML
    ),
]

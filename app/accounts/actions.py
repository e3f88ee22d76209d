"""Accounts, as operations: sign-in, who am I, sessions, what people are called."""

from __future__ import annotations

from dataclasses import replace

from app import __version__, events
from app.accounts import queries, service, sign_in
from app.accounts.answers import Me, SessionView, SettingsView, SignInView
from app.accounts.bodies import ProfileUpdate, SignIn, SignInQuery
from app.accounts.models import SignInSession, User
from app.accounts.providers.protocol import PROBLEMS, RemoteProvider
from app.web.action import Action, Limit, Mount
from app.web.ask import Ask, NewCookie
from app.web.fields import own_path
from app.web.paging import Page


def show_sign_in(ask: Ask) -> SignInView:
    token = ask.query.token
    person = sign_in.person_of(ask.db, token, ask.now) if token else None
    state = "ready" if person else "dead" if token else "none"
    going_to = own_path(ask.query.next) or "/"
    return SignInView(state, token, person.name if person else "", going_to, _elsewhere(ask), _problem(ask))


def _elsewhere(ask: Ask) -> str | None:
    provider = ask.site.provider
    return provider.label if isinstance(provider, RemoteProvider) else None


def _problem(ask: Ask) -> str | None:
    """Why the last try came to nothing, else what is known to be wrong now."""
    provider = ask.site.provider
    if ask.query.problem is not None:
        return PROBLEMS[ask.query.problem].format(provider=provider.label)
    return provider.trouble if isinstance(provider, RemoteProvider) else None


def use_sign_in_link(ask: Ask, body: SignIn) -> None:
    session = sign_in.use_link(
        ask.db,
        token=body.token,
        name=body.name or "",
        ip=ask.ip,
        user_agent=ask.user_agent,
        now=ask.now,
        instead_of=ask.someone.session_id if ask.someone else None,
    )
    ask.cookie = NewCookie(session_id=session.id, max_age=int(service.SESSION_LIFE.total_seconds()))
    ask.next = own_path(body.next) or "/"


def log_out(ask: Ask) -> None:
    """End the session of the cookie that asks; a key has none to end, nor has a cookie whose session ended before."""
    me = ask.someone
    session = ask.db.get(SignInSession, me.session_id) if me and me.session_id else None
    if session is not None:
        service.end_session(ask.db, session, actor=ask.actor)
        ask.wake("directory")
    ask.cookie = NewCookie(session_id=None)


def who_am_i(ask: Ask) -> Me:
    return Me.of(ask.principal)


def show_settings(ask: Ask) -> SettingsView:
    database = "SQLite" if ask.site.db.is_sqlite else "PostgreSQL"
    return SettingsView(Me.of(ask.principal), ask.site.provider.label, database, __version__)


def list_sessions(ask: Ask) -> Page[SessionView]:
    return Page([SessionView.of(s, ask.principal) for s in queries.sessions_of(ask.db, ask.principal, ask.now)])


def end_session(ask: Ask, session: SignInSession) -> None:
    service.end_session(ask.db, session, actor=ask.actor)
    ask.wake("directory")


def update_profile(ask: Ask, body: ProfileUpdate) -> Me:
    user = ask.db.get(User, ask.principal.user_id)
    assert user is not None
    ask.notice = f"You are called {body.name} now."
    if body.name != user.name:
        data = events.changes(name=(user.name, body.name))
        user.name = body.name
        events.record(ask.db, ask, "member.renamed", subject_id=user.id, subject_name=user.name, data=data)
    return Me.of(replace(ask.principal, name=body.name))


ACTIONS = [
    Action("GET", "/sign-in", show_sign_in, public=True, query=SignInQuery, page="sign-in.html", mount=Mount.HTML),
    Action(
        "POST",
        "/sign-in",
        use_sign_in_link,
        public=True,
        body=SignIn,
        form="/sign-in",
        then="/",
        mount=Mount.HTML,
        limit=Limit.SIGN_IN,
    ),
    Action("POST", "/auth/logout", log_out, public=True, mount=Mount.API_ONLY_PATH, then="/sign-in"),
    Action("GET", "/auth/me", who_am_i, mount=Mount.JSON),
    Action("GET", "/settings", show_settings, page="settings/index.html", mount=Mount.HTML),
    Action("GET", "/settings/sessions", list_sessions, page="settings/sessions.html"),
    Action(
        "DELETE",
        "/settings/sessions/{id}",
        end_session,
        thing=SignInSession,
        found_by=queries.endable_session,
        owner_only=True,
        status=204,
        then="/settings/sessions",
    ),
    Action("PATCH", "/settings/profile", update_profile, body=ProfileUpdate, form="/settings", then="/settings"),
]

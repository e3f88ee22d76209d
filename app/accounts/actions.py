"""Accounts, as operations: sign-in, who am I, API keys, sessions, what people and the organization are called."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from app import __version__, events
from app.accounts import queries, service, sign_in
from app.accounts.answers import (
    ApiKeyMade,
    ApiKeyView,
    Me,
    ScopeView,
    SessionView,
    SettingsView,
    SignInView,
)
from app.accounts.bodies import (
    ApiKeyCreate,
    ApiKeyQuery,
    ApiKeyRotate,
    ApiKeyUpdate,
    ProfileUpdate,
    SignIn,
    SignInQuery,
    expiry,
)
from app.accounts.models import ApiKey, SignInSession, User
from app.accounts.providers.protocol import PROBLEMS, RemoteProvider
from app.web.action import Action, Limit, Mount, Scope
from app.web.ask import Ask, NewCookie
from app.web.fields import own_path
from app.web.paging import Page
from app.web.problems import Conflict, Forbidden

SCOPES = {
    Scope.ADMIN: "Every write. Chosen alone: it includes all others.",
    Scope.COMPUTE_WRITE: "Launch, stop and manage jobs and instances.",
    Scope.NODEPOOLS_WRITE: "Create, update or delete node pools.",
    Scope.STORAGE_WRITE: "Create, mount or modify buckets and their contents, and make presigned links.",
    Scope.REGISTRIES_WRITE: "Manage private registries and images.",
}


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


def list_allowed_scopes(ask: Ask) -> Page[ScopeView]:
    return Page([ScopeView(s.value, text, s is Scope.ADMIN) for s, text in SCOPES.items()])


def list_api_keys(ask: Ask) -> Page[ApiKeyView]:
    q: ApiKeyQuery = ask.query
    after = q.after(str)
    owner = ask.principal.user_id if q.owner in {None, "", "me"} else q.owner
    rows = queries.keys_page(
        ask.db, ask.principal, None if owner == "all" else owner, limit=q.limit, before=after[0] if after else None
    )
    return q.page(rows, key=lambda r: (r[0].id,), item=lambda r: ApiKeyView.of(r[0], r[1], ask.now))


def new_api_key(ask: Ask) -> Page[ScopeView]:
    return list_allowed_scopes(ask)


def create_api_key(ask: Ask, body: ApiKeyCreate) -> ApiKeyMade:
    me = ask.principal
    key, text = service.make_api_key(
        ask.db,
        organization_id=me.organization_id,
        user_id=me.user_id,
        role=me.role,
        name=body.name,
        scopes=body.scopes,
        actor=ask.actor,
        now=ask.now,
        expires_at=expiry(body, ask.now),
    )
    return ApiKeyMade.with_secret(key, _owner(ask, key), ask.now, text)


def show_api_key(ask: Ask, key: ApiKey) -> ApiKeyView:
    return ApiKeyView.of(key, _owner(ask, key), ask.now)


def rename_api_key(ask: Ask, key: ApiKey, body: ApiKeyUpdate) -> ApiKeyView:
    if body.name != key.name:
        data = events.changes(name=(key.name, body.name))
        key.name = body.name
        events.record(
            ask.db, ask, "api_key.renamed", subject_id=key.id, subject_name=key.name, private_to=key.user_id, data=data
        )
    return ApiKeyView.of(key, _owner(ask, key), ask.now)


def rotate_api_key(ask: Ask, key: ApiKey, body: ApiKeyRotate) -> ApiKeyMade:
    """Another text for the key. Its owner's alone to do: whoever has the text acts as the owner.

    A key rotates itself and what it made, no other: it would get a text that may do more than it, and outlives it.
    """
    me = ask.principal
    if key.user_id != me.user_id:
        raise Forbidden("Only its owner may rotate an API key, since its text lets one act as them; revoke it instead.")
    if me.key_id is not None and me.key_id not in {key.id, key.made_by_key}:
        raise Forbidden("An API key rotates itself and keys that it made; sign in to rotate another one.")
    overlap = timedelta(seconds=body.overlap)
    key, text = service.rotate_api_key(ask.db, key, actor=ask.actor, now=ask.now, overlap=overlap)
    return ApiKeyMade.with_secret(key, _owner(ask, key), ask.now, text)


def revoke_api_key(ask: Ask, key: ApiKey) -> None:
    service.revoke_api_key(ask.db, key, actor=ask.actor, now=ask.now)


def give_back_api_key(ask: Ask) -> None:
    """Revoke the API key that asks, whatever its scopes."""
    key = ask.db.get(ApiKey, ask.principal.key_id) if ask.principal.key_id else None
    if key is None:
        raise Conflict("You did not come with an API key; sign out instead.")
    service.revoke_api_key(ask.db, key, actor=ask.actor, now=ask.now)


def _owner(ask: Ask, key: ApiKey) -> User:
    user = ask.db.get(User, key.user_id)
    assert user is not None
    return user


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
    Action("DELETE", "/auth/key", give_back_api_key, open_write=True, status=204, mount=Mount.JSON),
    Action("GET", "/auth/allowed-scopes", list_allowed_scopes, public=True, mount=Mount.JSON),
    Action("GET", "/api-keys", list_api_keys, query=ApiKeyQuery, page="api-keys/index.html"),
    Action("GET", "/api-keys/new", new_api_key, page="api-keys/new.html", mount=Mount.HTML),
    Action(
        "POST",
        "/api-keys",
        create_api_key,
        body=ApiKeyCreate,
        status=201,
        page="api-keys/created.html",
        form="/api-keys/new",
    ),
    Action("GET", "/api-keys/{id}", show_api_key, thing=ApiKey, page="api-keys/show.html"),
    Action(
        "PATCH",
        "/api-keys/{id}",
        rename_api_key,
        thing=ApiKey,
        owner_only=True,
        body=ApiKeyUpdate,
        form="/api-keys/{id}",
    ),
    Action(
        "POST",
        "/api-keys/{id}/rotate",
        rotate_api_key,
        thing=ApiKey,
        owner_only=True,
        body=ApiKeyRotate,
        body_required=False,
        page="api-keys/created.html",
        form="/api-keys/{id}",
    ),
    Action("DELETE", "/api-keys/{id}", revoke_api_key, thing=ApiKey, owner_only=True, status=204),
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

"""API keys, as operations."""

from __future__ import annotations

from datetime import timedelta

from app import events
from app.accounts.keys import queries, service
from app.accounts.keys.answers import ApiKeyMade, ApiKeyView, KeysRevoked, KeysWithPeople, ScopeView
from app.accounts.keys.bodies import ApiKeyCreate, ApiKeyQuery, ApiKeyRotate, ApiKeysRevoke, ApiKeyUpdate, expiry
from app.accounts.members.choices import colleagues
from app.accounts.models import ApiKey, User
from app.web.action import Action, Mount, Scope
from app.web.ask import Ask
from app.web.bulk import Refused
from app.web.paging import Page
from app.web.problems import Conflict, Forbidden

SCOPES = {
    Scope.ADMIN: "Every write. Chosen alone: it includes all others.",
    Scope.COMPUTE_WRITE: "Launch, stop and manage jobs and instances.",
    Scope.NODEPOOLS_WRITE: "Create, update or delete node pools.",
    Scope.STORAGE_WRITE: "Create, mount or modify buckets and their contents, and make presigned links.",
    Scope.REGISTRIES_WRITE: "Manage private registries and images.",
}


def list_allowed_scopes(ask: Ask) -> Page[ScopeView]:
    return Page([ScopeView(s.value, text, s is Scope.ADMIN) for s, text in SCOPES.items()])


def list_api_keys(ask: Ask) -> Page[ApiKeyView]:
    q: ApiKeyQuery = ask.query
    after = q.after(str)
    owner = ask.principal.user_id if q.owner in {None, "", "me"} else q.owner
    want = queries.KeyFilter(owner=None if owner == "all" else owner, state=q.state, q=q.q)
    before = after[0] if after else None
    rows = queries.keys_page(ask.db, ask.principal, want, now=ask.now, limit=q.limit, before=before)
    page = q.page(rows, key=lambda r: (r[0].id,), item=lambda r: ApiKeyView.of(r[0], r[1], ask.now))
    if not ask.html:
        return page
    people = colleagues(ask.db, ask.principal, None if owner == "all" else owner) if ask.principal.is_admin else []
    return KeysWithPeople(items=page.items, next=page.next, people=people)


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


def revoke_api_keys(ask: Ask, body: ApiKeysRevoke) -> KeysRevoked:
    """Revoke up to 1,000 keys in one transaction, and the keys that those made."""
    held = queries.held_keys(ask.db, ask.principal, body.ids)
    wanted = list(dict.fromkeys(body.ids))
    living = [key for key in held.values() if key.revoked_at is None]
    service.revoke_api_keys(ask.db, held.values(), actor=ask.actor, now=ask.now)
    ask.notice = f"{len(living):,} {'key is' if len(living) == 1 else 'keys are'} revoked."
    refused = [Refused(key_id, "There is no such key.") for key_id in wanted if key_id not in held]
    return KeysRevoked(len(living), len(held) - len(living), refused)


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


ACTIONS = [
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
    Action(
        "POST",
        "/api-keys/revoke",
        revoke_api_keys,
        body=ApiKeysRevoke,
        status=202,
        then="/api-keys",
        form="/api-keys",
    ),
    Action("DELETE", "/api-keys/{id}", revoke_api_key, thing=ApiKey, owner_only=True, status=204),
]

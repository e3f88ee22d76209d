"""What the Actions of API keys answer."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from app.accounts.answers import Owner
from app.accounts.models import ApiKey, User
from app.web.action import Role, Scope
from app.web.bulk import Refused
from app.web.paging import Page


class KeyState(StrEnum):
    ACTIVE = "active"
    EXPIRED = "expired"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True)
class ScopeView:
    name: str
    description: str
    exclusive: bool


@dataclass(frozen=True, slots=True)
class ApiKeyView:
    id: str
    name: str
    prefix: str
    scopes: list[Scope]
    role: Role
    owner: Owner
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    last_used_ip: str | None
    previous_works_until: datetime | None  # the text before the last rotation, while it still works
    revoked_at: datetime | None
    made_by_key: str | None
    state: KeyState

    @classmethod
    def of(cls, key: ApiKey, user: User, now: datetime) -> ApiKeyView:
        return cls(**_key_fields(key, user, now))


@dataclass(frozen=True, slots=True)
class ApiKeyMade(ApiKeyView):
    """The answer to create and rotate. `secret` is the key itself, shown this once; a replay leaves it out."""

    secret: str = ""

    @classmethod
    def with_secret(cls, key: ApiKey, user: User, now: datetime, secret: str) -> ApiKeyMade:
        return cls(**_key_fields(key, user, now), secret=secret)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeysWithPeople(Page[ApiKeyView]):
    """The page's value. `people`: ids and names of owners to choose from, besides whoever asks."""

    people: list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class KeysRevoked:
    """`revoked` counts the keys that were revoked now, `unchanged` those that were before."""

    revoked: int
    unchanged: int
    refused: list[Refused]


def _key_fields(key: ApiKey, user: User, now: datetime) -> dict[str, Any]:
    has_expired = key.expires_at is not None and key.expires_at <= now
    return {
        "id": key.id,
        "name": key.name,
        "prefix": key.prefix,
        "scopes": key.scope_list,
        "role": key.role,
        "owner": Owner(user.id, user.name, user.email),
        "created_at": key.created_at,
        "expires_at": key.expires_at,
        "last_used_at": key.last_used_at,
        "last_used_ip": key.last_used_ip,
        "previous_works_until": key.previous_ends_at if key.previous_ends_at and key.previous_ends_at > now else None,
        "revoked_at": key.revoked_at,
        "made_by_key": key.made_by_key,
        "state": KeyState.REVOKED if key.revoked_at else KeyState.EXPIRED if has_expired else KeyState.ACTIVE,
    }

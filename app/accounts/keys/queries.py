"""Named queries over API keys. Those that list take the principal, whose organization bounds them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, or_
from sqlmodel import Session, col, select

from app.accounts.keys.answers import KeyState
from app.accounts.models import ApiKey, User
from app.web.ask import Principal

AT_ONCE = 1_000  # ids in one statement


def living_keys(db: Session, user_id: str) -> Sequence[ApiKey]:
    return db.exec(select(ApiKey).where(ApiKey.user_id == user_id, col(ApiKey.revoked_at).is_(None))).all()


def keep_key(db: Session, key_id: str) -> bool:
    """Whether the key is not revoked; if so it is not before this transaction's end (on SQLite there is one writer)."""
    living = select(ApiKey.id).where(ApiKey.id == key_id, col(ApiKey.revoked_at).is_(None))
    return db.exec(living.with_for_update(read=True)).first() is not None


def keys_made_by(db: Session, key_ids: Sequence[str]) -> list[ApiKey]:
    """In order of their ids, so that all who change keys lock them in one order."""
    found: list[ApiKey] = []
    for some in range(0, len(key_ids), AT_ONCE):
        wanted = col(ApiKey.made_by_key).in_(key_ids[some : some + AT_ONCE])
        found += db.exec(select(ApiKey).where(wanted))
    return sorted(found, key=lambda key: key.id)


@dataclass(frozen=True, slots=True)
class KeyFilter:
    """What a list of keys is narrowed to; `q` is looked for in names and the beginnings of keys, whatever its case."""

    owner: str | None = None
    state: KeyState | None = None
    q: str | None = None


def keys_page(
    db: Session, me: Principal, want: KeyFilter, *, now: datetime, limit: int, before: str | None
) -> Sequence[tuple[ApiKey, User]]:
    """Newest first, one more than `limit`, of those that `me` may see, which are an admin's all."""
    statement = (
        select(ApiKey, User)
        .join(User, col(User.id) == ApiKey.user_id)
        .where(*_seen_by(me))
        .order_by(col(ApiKey.id).desc())
        .limit(limit + 1)
    )
    if want.owner is not None:
        statement = statement.where(ApiKey.user_id == want.owner)
    if want.state is not None:
        statement = statement.where(*_in_state(want.state, now))
    if want.q:
        wanted = (
            col(ApiKey.name).icontains(want.q, autoescape=True),
            col(ApiKey.prefix).istartswith(want.q, autoescape=True),
        )
        statement = statement.where(or_(*wanted))
    if before is not None:
        statement = statement.where(col(ApiKey.id) < before)
    return db.exec(statement).all()


def _seen_by(me: Principal) -> tuple[ColumnElement[bool], ...]:
    here = col(ApiKey.organization_id) == me.organization_id
    return (here,) if me.is_admin else (here, col(ApiKey.user_id) == me.user_id)


def _in_state(state: KeyState, now: datetime) -> tuple[ColumnElement[bool], ...]:
    if state is KeyState.REVOKED:
        return (col(ApiKey.revoked_at).is_not(None),)
    expires = col(ApiKey.expires_at)
    has_expired = expires <= now if state is KeyState.EXPIRED else or_(expires.is_(None), expires > now)
    return (col(ApiKey.revoked_at).is_(None), has_expired)


def held_keys(db: Session, me: Principal, key_ids: Iterable[str]) -> dict[str, ApiKey]:
    """By id, those that `me` may see; nobody else revokes them before this transaction's end."""
    statement = select(ApiKey).where(*_seen_by(me), col(ApiKey.id).in_(sorted(set(key_ids)))).order_by(col(ApiKey.id))
    return {key.id: key for key in db.exec(statement.with_for_update())}


def key_names(db: Session, me: Principal, key_ids: Iterable[str]) -> dict[str, str]:
    """Id → name, of those keys that `me` may see."""
    wanted = sorted(set(key_ids))
    statement = select(ApiKey.id, ApiKey.name).where(*_seen_by(me), col(ApiKey.id).in_(wanted))
    return dict(db.exec(statement).all()) if wanted else {}

"""What can be done with API keys. Decisions, not HTTP."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from datetime import datetime, timedelta

from sqlmodel import Session

from app import events
from app.accounts.keys import queries
from app.accounts.models import ApiKey
from app.db import new_id
from app.web.action import Role, Scope
from app.web.ask import Actor
from app.web.identify import KEY_PREFIX, digest_of
from app.web.problems import Conflict, Invalid, Unauthenticated

SHOWN_PREFIX = 8


def normalize_scopes(names: list[str]) -> list[Scope]:
    """Trimmed, lower case, once each, sorted. Invalid names the unknown one, or `admin` beside others."""
    wanted: set[Scope] = set()
    for name in names:
        try:
            wanted.add(Scope(name.strip().lower()))
        except ValueError:
            known = ", ".join(Scope)
            raise Invalid.field("scopes", f"There is no scope {name.strip()[:40]!r}; there are {known}.") from None
    if Scope.ADMIN in wanted and len(wanted) > 1:
        raise Invalid.field("scopes", "The scope admin includes every other; choose it alone.")
    return sorted(wanted)


def new_key_text() -> str:
    return KEY_PREFIX + secrets.token_urlsafe(24)


def make_api_key(
    db: Session,
    *,
    organization_id: str,
    user_id: str,
    role: Role,
    name: str,
    scopes: list[str],
    actor: Actor,
    now: datetime,
    expires_at: datetime | None = None,
) -> tuple[ApiKey, str]:
    """A new key and its text, which is not kept. Raises Invalid for wrong scopes or a time that has passed.

    `role` is the owner's at this moment; the key never has more, also when the owner rises later. Unauthenticated where
    the key that makes it has just been revoked: what is made after that would outlive it.
    """
    if actor.key_id is not None and not queries.keep_key(db, actor.key_id):
        raise Unauthenticated("The API key was revoked a moment ago.")
    chosen = normalize_scopes(scopes)
    if expires_at is not None and expires_at <= now:
        raise Invalid.field("expires_at", "Choose a time that lies ahead.")
    text = new_key_text()
    key = ApiKey(
        id=new_id("key"),
        organization_id=organization_id,
        user_id=user_id,
        name=name,
        prefix=text[:SHOWN_PREFIX],
        digest=digest_of(text),
        scopes=",".join(chosen),
        role=role,
        made_by_key=actor.key_id,
        created_at=now,
        expires_at=expires_at,
    )
    db.add(key)
    data = {"scopes": chosen, "expires_at": expires_at}
    events.record(db, actor, "api_key.created", subject_id=key.id, subject_name=name, data=data, private_to=key.user_id)
    return key, text


def rotate_api_key(
    db: Session, key: ApiKey, *, actor: Actor, now: datetime, overlap: timedelta = timedelta(0)
) -> tuple[ApiKey, str]:
    """Give the key another text; the old one works for `overlap` longer, any before it is dead.

    409 for a key that is revoked or has expired.
    """
    if key.revoked_at is not None:
        raise Conflict("This key is revoked; make a new one.")
    if key.expires_at is not None and key.expires_at <= now:
        raise Conflict("This key has expired, and would be dead with another text too; make a new one.")
    text = new_key_text()
    ends = now + overlap if overlap else None
    key.previous_digest, key.previous_ends_at = (key.digest, ends) if ends else (None, None)
    key.digest, key.prefix = digest_of(text), text[:SHOWN_PREFIX]
    db.add(key)
    events.record(
        db, actor, "api_key.rotated", subject_id=key.id, subject_name=key.name, private_to=key.user_id,
        data={"previous_works_until": ends},
    )  # fmt: skip
    return key, text


def revoke_api_key(db: Session, key: ApiKey, *, actor: Actor, now: datetime) -> None:
    """Revoke the key and every key that it made, and that those made."""
    revoke_api_keys(db, [key], actor=actor, now=now)


def revoke_api_keys(db: Session, keys: Iterable[ApiKey], *, actor: Actor, now: datetime) -> None:
    """Revoke the keys and every key that they made, and that those made: generation by generation."""
    generation = list(keys)
    seen: set[str] = set()
    while generation:
        living = [key for key in generation if key.revoked_at is None]
        for key in living:
            key.revoked_at = now
            db.add(key)
        db.flush()  # waits for those whom `keep_key` lets make another with one: their keys are found below
        for key in living:
            events.record(
                db, actor, "api_key.revoked", subject_id=key.id, subject_name=key.name, private_to=key.user_id
            )
        seen |= {key.id for key in generation}
        made = queries.keys_made_by(db, [key.id for key in generation])
        generation = [key for key in made if key.id not in seen]

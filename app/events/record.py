"""Write events: queued in the transaction, inserted at its end.

`seq` is given inside the transaction in commit order: on SQLite by the one writer's lock, on Postgres by a
transaction-level advisory lock that is taken last, just before the insert.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import Any, cast

import orjson
from sqlalchemy import insert
from sqlmodel import Session, SQLModel

from app.db import WriteTransaction, take_turn, utcnow
from app.events.models import Event
from app.web.ask import Actor, Ask

ADMINS = "admins"  # as `private_to`: no user's id, so that admins alone see the event
SEQ_LOCK = 0x4C6174746963  # "Lattic"
_INSERT = insert(SQLModel.metadata.tables[str(Event.__tablename__)])  # plain, since the ORM's own insert costs twice


def record(
    db: Session,
    by: Actor | Ask,
    action: str,
    *,
    subject_id: str,
    subject_name: str = "",
    data: Mapping[str, Any] | None = None,
    private_to: str | None = None,
    shared_with: str | None = None,
    at: datetime | None = None,
) -> None:
    """Add an event to the change that `db` is about to commit. `action` is `noun.past_participle`.

    `private_to`: the user who alone sees it, but for admins and the members of the team `shared_with`. `at` is the time
    of the change, within minutes of its commit: lists find a time by it.
    """
    actor = by.actor if isinstance(by, Ask) else by
    _events_of(db).append(
        {
            "organization_id": actor.organization_id,
            "at": at or utcnow(),
            "action": action,
            "noun": action.partition(".")[0],
            "subject_id": subject_id,
            "subject_name": subject_name[:120],
            "actor_kind": actor.kind,
            "actor_id": actor.user_id,
            "actor_name": actor.name[:120],
            "key_id": actor.key_id,
            "ip": actor.ip,
            "request_id": actor.request_id,
            "private_to": private_to,
            "shared_with": shared_with,
            "data": orjson.dumps(data or {}).decode(),
        }
    )


def changes(**fields: tuple[object, object]) -> dict[str, Any]:
    """An event's data: what each field was, and what it is now."""
    return {"changes": {name: {"was": was, "now": now} for name, (was, now) in fields.items()}}


def _events_of(db: Session) -> list[dict[str, Any]]:
    """The events that the transaction will write, in the order of the changes."""
    rows = cast("list[dict[str, Any]] | None", db.info.get("events"))
    if rows is None:
        assert isinstance(db, WriteTransaction), "a read makes no events"
        rows = db.info["events"] = []
        db.before_commit.append(partial(_insert_events, db, rows))
        db.after_commit.append(_tell)
    return rows


def _insert_events(db: WriteTransaction, rows: list[dict[str, Any]]) -> None:
    take_turn(db, SEQ_LOCK)
    db.connection().execute(_INSERT, rows)


def _tell() -> None:
    for listener in _listeners:
        listener()


_listeners: list[Any] = []


def on_commit(listener: Any) -> None:
    """Call `listener()` after each commit of this process that wrote events, from whichever thread committed."""
    _listeners.append(listener)


def off_commit(listener: Any) -> None:
    _listeners.remove(listener)

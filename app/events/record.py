"""Write events: queued in the session, inserted at its commit.

`seq` is given inside the transaction in commit order: on SQLite by the one writer's lock, on Postgres by a
transaction-level advisory lock that is taken last, just before the insert.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, cast

import orjson
from sqlalchemy import event, insert, text
from sqlalchemy.orm import Session as OrmSession
from sqlmodel import Session, SQLModel

from app.db import utcnow
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
    db.info.setdefault("events", []).append(
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


@event.listens_for(OrmSession, "before_commit")
def _insert_events(session: OrmSession) -> None:
    rows = cast("list[dict[str, Any]] | None", session.info.pop("events", None))
    if not rows:
        return
    session.flush()
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": SEQ_LOCK})
    session.connection().execute(_INSERT, rows)
    session.info["events_written"] = True


@event.listens_for(OrmSession, "after_commit")
def _tell(session: OrmSession) -> None:
    if session.info.pop("events_written", False):
        for listener in _listeners:
            listener()


@event.listens_for(OrmSession, "after_soft_rollback")
def _forget(session: OrmSession, _previous: object) -> None:
    session.info.pop("events", None)
    session.info.pop("events_written", None)


_listeners: list[Any] = []


def on_commit(listener: Any) -> None:
    """Call `listener()` after each commit of this process that wrote events, from whichever thread committed."""
    _listeners.append(listener)


def off_commit(listener: Any) -> None:
    _listeners.remove(listener)

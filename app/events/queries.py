"""Named queries over events. Each begins with the organization and what the principal may see."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import func, or_
from sqlmodel import Session, col, select
from sqlmodel.sql.expression import SelectOfScalar

from app.events.models import Event
from app.web.ask import Principal

BATCH = 500


def visible(me: Principal) -> SelectOfScalar[Event]:
    """Events of the principal's organization, less those of other people's private things."""
    statement = select(Event).where(Event.organization_id == me.organization_id)
    if me.is_admin:
        return statement
    return statement.where(or_(col(Event.private_to).is_(None), col(Event.private_to) == me.user_id))


def newest(
    db: Session,
    me: Principal,
    *,
    limit: int,
    before: int | None = None,
    action: str | None = None,
    actor: str | None = None,
    subject: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> Sequence[Event]:
    """Newest first, one more than `limit`. `action` may be a whole one or a noun (`job`)."""
    statement = visible(me).order_by(col(Event.seq).desc()).limit(limit + 1)
    if before is not None:
        statement = statement.where(col(Event.seq) < before)
    if action is not None:
        exact = col(Event.action) == action
        statement = statement.where(
            exact if "." in action else col(Event.action).startswith(action + ".", autoescape=True)
        )
    if actor is not None:
        statement = statement.where(Event.actor_id == actor)
    if subject is not None:
        statement = statement.where(Event.subject_id == subject)
    if since is not None:
        statement = statement.where(col(Event.at) >= since)
    if until is not None:
        statement = statement.where(col(Event.at) < until)
    return db.exec(statement).all()


def following(db: Session, me: Principal, after: int, limit: int = BATCH) -> Sequence[Event]:
    """Oldest first, those with a `seq` greater than `after`."""
    return db.exec(visible(me).where(col(Event.seq) > after).order_by(col(Event.seq)).limit(limit)).all()


def last_seq(db: Session) -> int:
    return db.exec(select(func.max(Event.seq))).one() or 0


def of_subject(db: Session, me: Principal, subject_id: str, limit: int = 200) -> Sequence[Event]:
    """Oldest first."""
    return db.exec(visible(me).where(Event.subject_id == subject_id).order_by(col(Event.seq)).limit(limit)).all()

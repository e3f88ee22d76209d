"""Named queries over events. Each begins with the organization and what the principal may see."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, func, or_
from sqlmodel import Session, col, select
from sqlmodel.sql.expression import SelectOfScalar

from app.accounts.teams.models import TeamMember
from app.events.models import Event
from app.web.ask import Principal

BATCH = 500
SLACK = timedelta(minutes=10)  # `at` ascends with `seq` but for what a transaction takes


@dataclass(frozen=True, slots=True, kw_only=True)
class EventFilter:
    """What a list is narrowed to. `action` is a whole one or a noun (`job`); times are a half-open range."""

    action: str | None = None
    actor: str | None = None
    subject: str | None = None
    key: str | None = None
    since: datetime | None = None
    until: datetime | None = None


def visible(me: Principal) -> SelectOfScalar[Event]:
    """Events of the principal's organization, less those of private things that are not shared with them."""
    statement = select(Event).where(Event.organization_id == me.organization_id)
    if me.is_admin:
        return statement
    teams = select(TeamMember.team_id).where(TeamMember.user_id == me.user_id)
    mine = or_(col(Event.private_to) == me.user_id, col(Event.shared_with).in_(teams))
    return statement.where(or_(col(Event.private_to).is_(None), mine))


def newest(db: Session, me: Principal, want: EventFilter, *, limit: int, before: int | None = None) -> Sequence[Event]:
    """Newest first, one more than `limit`. One index drives the walk, that of the filter that is likely the rarest."""
    conditions = [*_equalities(want), *_bounds(db, me.organization_id, want)]
    if before is not None:
        conditions.append(col(Event.seq) < before)
    statement = visible(me).where(*conditions).order_by(col(Event.seq).desc()).limit(limit + 1)
    return db.exec(statement).all()


def _equalities(want: EventFilter) -> list[ColumnElement[bool]]:
    whole = want.action is not None and "." in want.action
    pairs = (
        (col(Event.subject_id), want.subject),
        (col(Event.key_id), want.key),
        (col(Event.action), want.action if whole else None),
        (col(Event.actor_id), want.actor),
        (col(Event.noun), None if whole else want.action),
    )
    given = [(column, value) for column, value in pairs if value is not None]
    # but for the first they are asked of each row: an index on another would lose the order of the walk
    return [(column if n == 0 else column.concat("")) == value for n, (column, value) in enumerate(given)]


def _bounds(db: Session, organization_id: str, want: EventFilter) -> list[ColumnElement[bool]]:
    """The times, and the range of `seq` that they can lie in, so that no walk goes on beyond it."""
    bounds: list[ColumnElement[bool]] = []
    own = select(Event.seq).where(Event.organization_id == organization_id)
    if want.since is not None:
        bounds.append(col(Event.at) >= want.since)
        earlier = own.where(col(Event.at) < want.since - SLACK).order_by(col(Event.at).desc()).limit(1)
        bounds.append(col(Event.seq) > (db.exec(earlier).first() or 0))
    if want.until is not None:
        bounds.append(col(Event.at) < want.until)
        later = db.exec(own.where(col(Event.at) >= want.until + SLACK).order_by(col(Event.at)).limit(1)).first()
        bounds.extend([col(Event.seq) < later] if later is not None else [])
    return bounds


def following(db: Session, me: Principal, after: int, limit: int = BATCH) -> Sequence[Event]:
    """Oldest first, those with a `seq` greater than `after`."""
    return db.exec(visible(me).where(col(Event.seq) > after).order_by(col(Event.seq)).limit(limit)).all()


def last_seq(db: Session) -> int:
    return db.exec(select(func.max(Event.seq))).one() or 0

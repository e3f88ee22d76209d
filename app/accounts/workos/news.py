"""What WorkOS says has happened. An event only says where to look again, so neither order nor loss does harm."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session, col, select

from app.accounts.providers import tokens
from app.accounts.providers.models import ProviderEvent
from app.accounts.providers.renewal import end_here
from app.accounts.workos.mirror import organizations_of_person
from app.accounts.workos.names import LABEL
from app.accounts.workos.shapes import EventShape
from app.db import new_id

BATCH = 200


@dataclass(frozen=True, slots=True)
class News:
    """`new`: it was not known before."""

    id: str
    new: bool


def note(db: Session, event: EventShape, now: datetime) -> News:
    """Keep the event until a worker has looked into it; one that is known already changes nothing."""
    if db.get(ProviderEvent, event.id) is not None:
        return News(event.id, new=False)
    about = _about(event)
    done = None if about else now  # nothing of it is kept here
    db.add(ProviderEvent(id=event.id, kind=event.event, about=about[:255], received_at=now, done_at=done))
    return News(event.id, new=True)


def look_again(db: Session, organization_id: str, now: datetime) -> None:
    """Let the worker look at that organization of WorkOS's once more, without word from there."""
    db.add(ProviderEvent(id=new_id("look"), kind="organization.changed", about=organization_id, received_at=now))


def _about(event: EventShape) -> str:
    """WorkOS's id of the organization, person or session to look at; empty for events of no interest."""
    noun = event.event.partition(".")[0]
    field = {"organization_membership": "organization_id", "invitation": "organization_id"}.get(noun, "id")
    known = noun in {"organization_membership", "invitation", "organization", "user", "session"}
    value = event.data.get(field)
    return value if known and isinstance(value, str) else ""


def waiting(db: Session) -> list[ProviderEvent]:
    """Those that nobody has looked into, oldest first."""
    return list(
        db.exec(
            select(ProviderEvent)
            .where(col(ProviderEvent.done_at).is_(None))
            .order_by(col(ProviderEvent.received_at))
            .limit(BATCH)
        )
    )


def organizations_in(db: Session, events: list[ProviderEvent]) -> list[str]:
    """WorkOS's ids of the organizations that these events are about, once each."""
    found: dict[str, None] = {}
    for event in events:
        noun = event.kind.partition(".")[0]
        if noun == "user":
            found |= dict.fromkeys(organizations_of_person(db, event.about))
        elif noun != "session":
            found[event.about] = None
    return list(found)


def end_sessions(db: Session, events: list[ProviderEvent]) -> None:
    """Those that WorkOS ended, which it never takes back, end here too."""
    for event in events:
        if event.kind == "session.revoked":
            token = tokens.of_external_session(db, event.about)
            if token is not None:
                end_here(db, token.session_id, LABEL)


def done(db: Session, events: list[ProviderEvent], now: datetime) -> None:
    for event in events:
        kept = db.get(ProviderEvent, event.id)
        if kept is not None:
            kept.done_at = now
            db.add(kept)

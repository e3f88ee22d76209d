"""An event as Actions answer it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from app.events.models import Event
from app.web.paging import Page

TOLD_ELSEWHERE = frozenset({"reason", "changes", "method", "path"})  # the last two in the name of what was refused
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)")


@dataclass(frozen=True, slots=True)
class EventActor:
    kind: str  # user | key | system
    id: str | None
    name: str


@dataclass(frozen=True, slots=True)
class EventView:
    seq: int
    at: datetime
    action: str
    summary: str
    subject_id: str
    subject_kind: str
    subject_name: str
    actor: EventActor
    key_id: str | None
    ip: str | None
    request_id: str | None
    details: str
    data: dict[str, Any]

    @classmethod
    def of(cls, e: Event) -> EventView:
        data = orjson.loads(e.data)
        return cls(
            seq=e.seq or 0,
            at=e.at,
            action=e.action,
            summary=summary(e),
            subject_id=e.subject_id,
            subject_kind=e.action.partition(".")[0],
            subject_name=e.subject_name,
            actor=EventActor(e.actor_kind, e.actor_id, e.actor_name),
            key_id=e.key_id,
            ip=e.ip,
            request_id=e.request_id,
            details=in_words(data),
            data=data,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class EventsWithNames(Page[EventView]):
    """The audit page's value. `key_names`: id → name of the events' API keys that the person may see.

    `people`: ids and names of actors to choose from, besides whoever asks.
    """

    key_names: dict[str, str]
    people: list[tuple[str, str]]


def summary(e: Event) -> str:
    """`Ada submitted job train`, from `job.submitted`."""
    noun, _, verb = e.action.partition(".")
    thing = f"{noun.replace('_', ' ').replace('api key', 'API key')} {e.subject_name or e.subject_id}"
    return f"{e.actor_name or 'Somebody'}: {thing} {verb.replace('_', ' ')}"


def in_words(data: dict[str, Any]) -> str:
    """An event's data as one line: `priority 0 → 5`, `attempt 1 · exit code 0`; empty where it has none."""
    facts = [data["reason"]] if data.get("reason") else []
    for name, one in data.get("changes", {}).items():
        facts.append(f"{_words(name)} {_shown(one['was'])} → {_shown(one['now'])}")
    told = TOLD_ELSEWHERE | ({"exit_code"} if facts else set())  # a reason or a change says it better
    for name, value in data.items():
        if name not in told and value not in (None, "", []):
            facts.append(f"{_words(name)} {_shown(value)}")
    return " · ".join(facts)


def _words(name: str) -> str:
    return name.replace("_", " ").replace(".", " ")


def _shown(value: Any) -> str:
    match value:
        case None | "":
            return "none"
        case bool():
            return "yes" if value else "no"
        case float():
            return f"{value:g}"
        case list():
            return ", ".join(map(str, value))
        case str() if MOMENT.fullmatch(value):
            return f"{datetime.fromisoformat(value):%Y-%m-%d %H:%M} UTC"
    return str(value)

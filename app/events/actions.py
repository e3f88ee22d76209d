"""The audit page and list, and the live stream that pages and programs follow."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints

from app.accounts.keys.queries import key_names
from app.accounts.members.choices import colleagues
from app.events import queries
from app.events.answers import EventsWithNames, EventView
from app.events.export import MEDIA as EXPORT_MEDIA
from app.events.export import ExportFormat, export
from app.events.following import Resumable, Resumed, Wanted, event_frames, start_of
from app.web.action import Action, Kind
from app.web.ask import Ask, Principal
from app.web.fields import FilterText, Id, Moment, Since, since_moment, storable
from app.web.paging import ListQuery, Page
from app.web.query import Query
from app.web.streams import ByteStream, EventStream

ActorId = Annotated[str, StringConstraints(max_length=40), AfterValidator(storable)]


class EventFilters(Query):
    """What events a list or an export is narrowed to."""

    action: Annotated[FilterText | None, Field(description="`job.submitted`, or a noun: `job`.")] = None
    actor: Annotated[ActorId | None, Field(description="An id, or `me`.")] = None
    subject: Id | None = None
    key: Annotated[Id | None, Field(description="The id of an API key: what was done with it.")] = None
    since: Annotated[Since | None, Field(description="Then or later; `24h` is a day ago.")] = None
    until: Moment | None = None

    def wanted(self, me: Principal, now: datetime) -> queries.EventFilter:
        return queries.EventFilter(
            action=self.action,
            actor=me.user_id if self.actor == "me" else self.actor,
            subject=self.subject,
            key=self.key,
            since=since_moment(self.since, now) if self.since else None,
            until=self.until,
        )


class EventQuery(EventFilters, ListQuery):
    pass


class ExportQuery(EventFilters):
    format: ExportFormat = ExportFormat.CSV


class LiveQuery(Resumable):
    topics: Annotated[FilterText, Field(description="Nouns, comma between: `job,node_pool`. Empty: all.")] = ""


def list_events(ask: Ask) -> Page[EventView]:
    q: EventQuery = ask.query
    after = q.after(int)
    before = after[0] if after else None
    rows = queries.newest(ask.db, ask.principal, q.wanted(ask.principal, ask.now), limit=q.limit, before=before)
    page = q.page(rows, key=lambda e: (e.seq or 0,), item=EventView.of)
    if not ask.html:
        return page
    used = key_names(ask.db, ask.principal, (event.key_id for event in page.items if event.key_id))
    people = colleagues(ask.db, ask.principal, q.actor)
    return EventsWithNames(items=page.items, next=page.next, key_names=used, people=people)


def export_events(ask: Ask) -> ByteStream:
    """All events that fit the filters, newest first, as CSV with a header line or as JSON lines."""
    q: ExportQuery = ask.query
    return export(ask.site.db, ask.principal, q.wanted(ask.principal, ask.now), q.format)


def follow_events(ask: Ask) -> EventStream:
    """Server-sent events named after nouns; the id is the event's `seq`, so `Last-Event-ID` resumes without a gap."""
    topics = frozenset(t.strip() for t in ask.query.topics.split(",") if t.strip())
    start, site, me = start_of(ask), ask.site, ask.principal
    return EventStream(lambda: event_frames(site, me, start, Wanted(topics)))


ACTIONS = [
    Action("GET", "/events", list_events, query=EventQuery, page="events/index.html"),
    Action("GET", "/events/export", export_events, query=ExportQuery, kind=Kind.STREAM, media=EXPORT_MEDIA),
    Action(
        "GET",
        "/live",
        follow_events,
        query=LiveQuery,
        kind=Kind.STREAM,
        headers=Resumed,
        media="text/event-stream",
    ),
]

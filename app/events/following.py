"""Events as they happen, as frames: what `/live` and every page's own stream send."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated

import anyio.to_thread
from pydantic import BeforeValidator, Field, WithJsonSchema

from app.events import queries
from app.events.answers import EventView
from app.events.models import Event
from app.site import Site
from app.web.answer import dumps
from app.web.ask import Ask, Principal
from app.web.query import HeaderFields, Query
from app.web.streams import Frame

Seq = Annotated[int, Field(ge=0, lt=1 << 63)]


def _number(text: object) -> int | None:
    """What can't be a `seq` or an offset was not given out here: it is as good as none."""
    return int(text) if isinstance(text, str) and text.isdecimal() and len(text) < 19 else None


class Resumed(HeaderFields):
    """A stream that is opened again says after what. Browsers and libraries send it by themselves."""

    last_event_id: Annotated[int | None, BeforeValidator(_number), WithJsonSchema({"type": "string"})] = None


class Resumable(Query):
    after: Annotated[Seq | None, Field(description="The `seq` to go on after; default: from now on.")] = None


def start_of(ask: Ask) -> int:
    """The `seq` after which a stream begins: of the last frame that its reader had, or what it asks for."""
    resumed: int | None = ask.headers.last_event_id
    after: int | None = ask.query.after if resumed is None else resumed
    return queries.last_seq(ask.db) if after is None else after


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which events a stream tells of: of these nouns (none: of all), and of this one thing where there is one."""

    topics: frozenset[str] = frozenset()
    subject: str | None = None

    def frames(self, rows: Iterable[Event]) -> Iterator[Frame]:
        for row in rows:
            noun = row.action.partition(".")[0]
            if (not self.topics or noun in self.topics) and self.subject in {None, row.subject_id}:
                yield Frame(dumps(EventView.of(row)).decode(), event=noun, id=str(row.seq))


async def event_frames(site: Site, me: Principal, seq: int, want: Wanted) -> AsyncIterator[Frame]:
    """`ready` at once, then a frame for each event after `seq` that `me` may see, named after its noun, for ever."""
    yield Frame("{}", event="ready", id=str(seq))
    while True:
        newest = await site.pulse.beyond(seq)
        while seq < newest:
            rows = await anyio.to_thread.run_sync(_read, site, me, seq)
            for frame in want.frames(rows):
                yield frame
            last = rows[-1].seq or 0 if rows else 0  # what was committed since `newest` was told may be among them
            seq = last if len(rows) == queries.BATCH else max(newest, last)


async def frames_so_far(site: Site, me: Principal, seq: int, want: Wanted) -> AsyncIterator[Frame]:
    """A frame for each event after `seq` that there is by now."""
    while rows := await anyio.to_thread.run_sync(_read, site, me, seq):
        for frame in want.frames(rows):
            yield frame
        seq = rows[-1].seq or seq


def _read(site: Site, me: Principal, after: int) -> Sequence[Event]:
    with site.db.read() as db:
        return queries.following(db, me, after)

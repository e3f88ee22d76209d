"""Streams as answers: so many at once, each only while whoever asked for it may still have it.

Only the event loop counts here, so that no lock is needed.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial

import anyio
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from app.web.problems import TooManyRequests, Unavailable
from app.web.streams import ByteStream, EventStream, guarded, read_on

OF_ONE_PERSON = 100
IN_ALL = 1_000
EVENT_STREAM = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


@dataclass(frozen=True, slots=True)
class Entered:
    """A stream that was let in. `ending` is set when the server ends; call `leave` at the stream's end."""

    ending: asyncio.Event
    leave: Callable[[], None]


class OpenStreams:
    """The streams that are open in this process, by person."""

    def __init__(self, of_one: int = OF_ONE_PERSON, in_all: int = IN_ALL) -> None:
        self.of_one = of_one
        self.in_all = in_all
        self._endings: set[asyncio.Event] = set()
        self._is_ending = False
        self._open: Counter[str] = Counter()

    def enter(self, whom: str) -> Entered:
        """Count one more. Raises TooManyRequests or Unavailable."""
        if self._is_ending:
            raise Unavailable("This server is stopping; try again.", headers={"Retry-After": "2"})
        if self._open[whom] >= self.of_one:
            raise TooManyRequests(
                f"You have {self.of_one} streams open already; close one first.", headers={"Retry-After": "5"}
            )
        if self._open.total() >= self.in_all:
            raise Unavailable("Too many streams are open on this server; try again.", headers={"Retry-After": "5"})
        self._open[whom] += 1
        ending = asyncio.Event()
        self._endings.add(ending)
        return Entered(ending, partial(self._leave, whom, ending))

    def end(self) -> None:
        """Let the streams of events end, whose clients come again and resume, and no other begin.

        Downloads have the server's grace.
        """
        self._is_ending = True
        for ending in self._endings:
            ending.set()

    def _leave(self, whom: str, ending: asyncio.Event) -> None:
        self._endings.discard(ending)
        self._open[whom] -= 1
        self._open += Counter()  # drops those who have none


class Streamed(StreamingResponse):
    """Closes its pieces and calls `leave` when it has ended, however it ends."""

    def __init__(
        self, pieces: AsyncGenerator[bytes], media: str, headers: Mapping[str, str], leave: Callable[[], None]
    ) -> None:
        super().__init__(pieces, media_type=media, headers=headers)
        self._pieces = pieces
        self._leave = leave

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._leave()
            with anyio.CancelScope(shield=True):  # a client that left has ended the sending, not what makes the pieces
                await self._pieces.aclose()


def streamed(
    stream: EventStream | ByteStream, still_stands: Callable[[], Awaitable[bool]], entered: Entered
) -> Response:
    if isinstance(stream, EventStream):
        return Streamed(guarded(stream, still_stands, entered.ending), *_head(stream), entered.leave)
    return Streamed(read_on(stream, still_stands), *_head(stream), entered.leave)


def head_alone(stream: EventStream | ByteStream) -> Response:
    """What HEAD gets: a stream that nobody reads would go on for ever."""
    media, headers = _head(stream)
    response = Response(media_type=media, headers=headers)
    del response.headers["content-length"]
    return response


def _head(stream: EventStream | ByteStream) -> tuple[str, Mapping[str, str]]:
    return (stream.media, stream.headers) if isinstance(stream, ByteStream) else ("text/event-stream", EVENT_STREAM)

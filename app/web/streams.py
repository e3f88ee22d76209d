"""Answers that are not one value: text with its own headers, and server-sent events that go on.

A stream holds no database connection and no thread while it waits. It asks again and again whether its principal
still stands, and has ended two seconds after one does not.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import anyio.to_thread

RECHECK_SECONDS = 1.5
HEARTBEAT = b": still here\n\n"
HEARTBEAT_SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class Text:
    """A body that is not JSON: logs, YAML, a download."""

    data: bytes
    media: str = "text/plain; charset=utf-8"
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ByteStream:
    """A body made piece by piece: `pieces()` opens short sessions and holds none, and no thread, between pieces."""

    pieces: Callable[[], AsyncIterator[bytes]]
    media: str
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Frame:
    """One server-sent event. `data` may have several lines."""

    data: str
    event: str | None = None
    id: str | None = None

    def encode(self) -> bytes:
        head = (f"id: {self.id}\n" if self.id is not None else "") + (f"event: {self.event}\n" if self.event else "")
        body = "".join(f"data: {line}\n" for line in self.data.split("\n"))
        return f"{head}{body}\n".encode("utf-8", "replace")


@dataclass(frozen=True, slots=True)
class EventStream:
    """`frames()` begins the stream once the request's session is closed; it must clean up when it is closed."""

    frames: Callable[[], AsyncIterator[Frame]]


async def made_in_threads(pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    while (piece := await anyio.to_thread.run_sync(next, pieces, None)) is not None:
        yield piece


async def read_on(stream: ByteStream, still_stands: Callable[[], Awaitable[bool]]) -> AsyncGenerator[bytes]:
    """The stream's pieces, until its end or its principal's."""
    loop = asyncio.get_running_loop()
    checked = loop.time()
    pieces = stream.pieces()
    try:
        async for piece in pieces:
            yield piece
            if loop.time() - checked >= RECHECK_SECONDS:
                checked = loop.time()
                if not await still_stands():
                    return
    finally:
        await _close(pieces)


async def guarded(
    stream: EventStream, still_stands: Callable[[], Awaitable[bool]], ending: asyncio.Event
) -> AsyncGenerator[bytes]:
    """The stream's bytes with heartbeats, until it ends, its principal falls or the server is `ending`."""
    frames = stream.frames()
    ends = asyncio.ensure_future(ending.wait())
    loop = asyncio.get_running_loop()
    checked = beaten = loop.time()
    pending: asyncio.Task[Frame] | None = None
    try:
        while True:
            pending = pending or asyncio.ensure_future(anext(frames))
            until = max(0.0, checked + RECHECK_SECONDS - loop.time())
            done, _ = await asyncio.wait({pending, ends}, timeout=until, return_when=asyncio.FIRST_COMPLETED)
            now = loop.time()
            if ends in done:
                return
            if now - checked >= RECHECK_SECONDS:
                checked = now
                if not await still_stands():
                    return
            if done:
                try:
                    frame = pending.result()
                except StopAsyncIteration:
                    return
                pending = None
                beaten = now
                yield frame.encode()
            elif now - beaten >= HEARTBEAT_SECONDS:
                beaten = now
                yield HEARTBEAT
    finally:
        ends.cancel()
        await _close(frames, pending)


async def merged(*sources: AsyncIterator[Frame]) -> AsyncGenerator[Frame]:
    """The frames of all, each as it comes, until the last source has ended."""
    pending = {asyncio.ensure_future(anext(source)): source for source in sources}
    try:
        while pending:
            done, _ = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                source = pending.pop(task)
                try:
                    frame = task.result()
                except StopAsyncIteration:
                    continue
                pending[asyncio.ensure_future(anext(source))] = source
                yield frame
    finally:
        for task, source in pending.items():
            await _close(source, task)


async def _close(source: AsyncIterator[Any], pending: asyncio.Task[Any] | None = None) -> None:
    if pending is not None:
        pending.cancel()
        await asyncio.wait({pending})
        if not pending.cancelled():
            pending.exception()  # looked at, so that asyncio does not tell of it
    close = getattr(source, "aclose", None)
    if close is not None:
        await close()

"""What makes a stream's pieces is closed with it, however it ends, and at once."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Callable, Iterator

import pytest
from starlette.responses import Response
from starlette.types import Message

from app.web.streaming import OpenStreams, streamed
from app.web.streams import ByteStream, EventStream, Frame, merged

GET = {"type": "http", "method": "GET", "path": "/", "headers": [], "asgi": {"version": "3.0", "spec_version": "2.3"}}


class Source:
    """Frames without end, that tells whether it is open."""

    def __init__(self) -> None:
        self.is_open = False

    async def frames(self) -> AsyncIterator[Frame]:
        self.is_open = True
        try:
            while True:
                yield Frame("x")
                await asyncio.sleep(0.01)
        finally:
            self.is_open = False

    async def pieces(self) -> AsyncIterator[bytes]:
        async for frame in self.frames():
            yield frame.encode()


@pytest.fixture
def no_collector() -> Iterator[None]:
    """What is closed only when it is found to be garbage is not closed."""
    gc.disable()
    yield
    gc.enable()


def left_while_sending(response: Response) -> list[str]:
    """The client takes nothing any more and then leaves; what asyncio had to complain of."""
    told: list[str] = []

    async def run() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(str(context["message"])))
        taken, stuck = asyncio.Event(), asyncio.Event()

        async def send(message: Message) -> None:
            if message["type"] == "http.response.body":
                taken.set()
                await stuck.wait()

        async def receive() -> Message:
            await taken.wait()
            return {"type": "http.disconnect"}

        async with asyncio.timeout(20):
            await response(GET, receive, send)

    asyncio.run(run())
    return told


async def stands() -> bool:
    return True


def made(source: Source, other: Source) -> dict[str, Callable[[], EventStream | ByteStream]]:
    return {
        "events": lambda: EventStream(source.frames),
        "merged": lambda: EventStream(lambda: merged(source.frames(), other.frames())),
        "bytes": lambda: ByteStream(source.pieces, "text/plain"),
    }


@pytest.mark.usefixtures("no_collector")
@pytest.mark.parametrize("kind", ["events", "merged", "bytes"])
def test_a_client_that_leaves_while_it_is_sent_to_closes_all(kind: str) -> None:
    source, other, opened = Source(), Source(), OpenStreams()
    told = left_while_sending(streamed(made(source, other)[kind](), stands, opened.enter("ada")))
    assert not source.is_open and not other.is_open and told == []
    for _ in range(opened.of_one):
        opened.enter("ada")  # none is counted still


def test_frames_come_from_each_source_until_the_last_has_ended() -> None:
    async def some(*texts: str) -> AsyncIterator[Frame]:
        for text in texts:
            yield Frame(text)

    async def run() -> list[str]:
        return [frame.data async for frame in merged(some("a", "b", "c"), some(), some("d"))]

    assert sorted(asyncio.run(run())) == ["a", "b", "c", "d"]


def test_a_source_that_fails_ends_all_and_is_told_of() -> None:
    source = Source()

    async def failing() -> AsyncIterator[Frame]:
        yield Frame("last")
        raise ConnectionError("gone")

    async def run() -> None:
        async for _ in merged(source.frames(), failing()):
            pass

    with pytest.raises(ConnectionError, match="gone"):
        asyncio.run(run())
    assert not source.is_open

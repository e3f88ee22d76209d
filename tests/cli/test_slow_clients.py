"""Clients that stop in the middle of a request: what they hold of the server is let go of."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
import uvicorn
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send
from uvicorn.server import ServerState

from app.cli import http
from app.cli.http import BoundedHttp
from app.web import bodies
from app.web.bodies import receive_body
from app.web.problems import Problem

Client = tuple[asyncio.StreamReader, asyncio.StreamWriter]
HEAD = b"POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 10\r\n\r\n"


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    try:
        answer = PlainTextResponse((await receive_body(Request(scope, receive), 100)).data)
    except Problem as problem:
        answer = PlainTextResponse(problem.detail, problem.status, problem.headers)
    await answer(scope, receive, send)


@asynccontextmanager
async def connection() -> AsyncIterator[Client]:
    config = uvicorn.Config(application, log_config=None)
    config.load()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: BoundedHttp(config, ServerState(), {}, loop), "127.0.0.1", 0)
    try:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        yield reader, writer
        writer.close()
    finally:
        server.close()


def with_client(act: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[bytes]]) -> bytes:
    """What `act` returns, which has a connection and, however it hangs, an end."""

    async def run() -> bytes:
        async with asyncio.timeout(20), connection() as (reader, writer):
            return await act(reader, writer)

    return asyncio.run(run())


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "SILENCE", 0.2)


@pytest.mark.parametrize("sent", [HEAD[:9], HEAD[:-2], HEAD, HEAD + b"12345"], ids=["line", "head", "body", "rest"])
def test_a_request_that_stops_is_answered_and_hung_up_on(impatient: None, sent: bytes) -> None:
    async def act(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        writer.write(sent)
        return await reader.read()

    answer = with_client(act)
    assert answer.startswith(b"HTTP/1.1 408 Request Timeout\r\n")
    head, _, body = answer.partition(b"\r\n\r\n")
    assert f"content-length: {len(body)}\r\n".encode() in head + b"\r\n"


def test_who_says_nothing_is_hung_up_on_without_a_word(impatient: None) -> None:
    async def act(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        return await reader.read()

    assert with_client(act) == b""


def test_a_body_that_trickles_has_an_end_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "BODY_SECONDS", 0.2)

    async def act(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        writer.write(HEAD + b"1")
        return await reader.read()  # ends: the connection is closed behind the answer

    answer = with_client(act)
    assert answer.startswith(b"HTTP/1.1 408 ") and b"took longer than 0.2 seconds" in answer


def test_a_slow_answer_is_waited_for_and_the_connection_serves_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "SILENCE", 0.5)

    async def act(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        answers = b""
        for _ in range(2):
            for piece in (HEAD[:20], HEAD[20:], b"12345", b"67890"):
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(0.2)
            answers += await reader.readuntil(b"1234567890")
        return answers

    assert with_client(act).count(b"HTTP/1.1 200 OK") == 2

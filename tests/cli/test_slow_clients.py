"""Clients that stop in the middle of a request: what they hold of the server is let go of."""

from __future__ import annotations

import asyncio
import json
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

Act = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[bytes]]
POST = b"POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 10\r\n\r\n"
EARLY = POST.replace(b"POST", b"GET")  # it is answered before its body has come
SLOW = b"GET /slow HTTP/1.1\r\nHost: here\r\n\r\n"
END = b"answered"


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["path"] == "/slow":
        await asyncio.sleep(1)
    try:
        request = Request(scope, receive)
        body = (await receive_body(request, 100)).data if request.method == "POST" else b""
        answer = PlainTextResponse(body + END)
    except Problem as problem:
        answer = PlainTextResponse(problem.detail, problem.status, problem.headers)
    await answer(scope, receive, send)


@asynccontextmanager
async def connection() -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    config = uvicorn.Config(application, log_config=None, timeout_keep_alive=1)
    config.load()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: BoundedHttp(config, ServerState(), {}, loop), "127.0.0.1", 0)
    try:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        yield reader, writer
        writer.close()
    finally:
        server.close()


def with_client(act: Act) -> bytes:
    """What `act` returns, which has a connection and, however it hangs, an end."""

    async def run() -> bytes:
        async with asyncio.timeout(30), connection() as (reader, writer):
            return await act(reader, writer)

    return asyncio.run(run())


def to_the_end(*sent: bytes) -> bytes:
    """All that comes until the server hangs up, to a client that sends this, the next piece after each answer."""

    async def act(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        answers = b""
        for piece in sent[:-1]:
            writer.write(piece)
            answers += await reader.readuntil(END)
        writer.write(sent[-1])
        return answers + await reader.read()

    return with_client(act)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "SILENCE", 0.2)


@pytest.mark.parametrize("sent", [POST[:9], POST[:-2], POST, POST + b"12345"], ids=["line", "head", "body", "rest"])
def test_a_request_that_stops_is_answered_and_hung_up_on(impatient: None, sent: bytes) -> None:
    answer = to_the_end(sent)
    assert answer.startswith(b"HTTP/1.1 408 Request Timeout\r\ncontent-type: application/problem+json\r\n")
    head, _, body = answer.partition(b"\r\n\r\n")
    assert json.loads(body)["status"] == 408 and f"content-length: {len(body)}".encode() in head


@pytest.mark.usefixtures("impatient")
def test_who_says_nothing_is_hung_up_on_without_a_word() -> None:
    assert to_the_end(b"") == b""


@pytest.mark.usefixtures("impatient")
def test_the_next_request_of_a_connection_is_bounded_too() -> None:
    answers = to_the_end(POST + b"1234567890", POST[:20])
    assert answers.count(b"HTTP/1.1 200 OK") == 1 and answers.count(b"HTTP/1.1 408 ") == 1


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("more", [b"\r\n", b"1234567890", b"1"], ids=["no request", "late body", "part of it"])
def test_what_follows_an_answer_without_being_a_request_ends(more: bytes) -> None:
    answers = to_the_end(EARLY if more != b"\r\n" else POST + b"1234567890", more)
    assert answers.count(b"HTTP/1.1 ") == 1


def test_a_body_that_nobody_reads_does_not_keep_the_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "SILENCE", 0.5)

    async def act(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        writer.write(EARLY.replace(b"10", b"1000000"))
        await reader.readuntil(END)
        while not reader.at_eof():
            writer.write(b"1")
            await asyncio.sleep(0.1)
        return b"hung up"

    assert with_client(act) == b"hung up"


def test_a_body_that_trickles_has_an_end_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "BODY_SECONDS", 0.2)
    answer = to_the_end(POST + b"1")
    assert answer.startswith(b"HTTP/1.1 408 ") and b"took longer than 0.2 seconds" in answer


@pytest.mark.usefixtures("impatient")
def test_an_answer_may_take_its_time() -> None:
    """Of a whole request, and of one behind which the next has begun."""
    answers = to_the_end(SLOW, SLOW + POST[:20])
    assert answers.count(b"HTTP/1.1 200 OK") == 2
    assert answers.rindex(b"HTTP/1.1 408 ") > answers.rindex(b"HTTP/1.1 200 OK")


def test_a_request_in_pieces_is_answered_and_the_connection_serves_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "SILENCE", 10)

    async def act(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        answers = b""
        for _ in range(2):
            for piece in (POST[:20], POST[20:], b"12345", b"67890"):
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(0.05)
            answers += await reader.readuntil(END)
        return answers

    assert with_client(act).count(b"1234567890answered") == 2

"""What a client may send before its request is one: a head is bounded, whole or without an end."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from itertools import repeat

import pytest

from tests.peers.server import Server

MORE = b"x" * 8192
START = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n"
CHUNKED = b"POST /api/v1/auth/device HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n"


def first_line(server: Server, sent: Iterator[bytes]) -> bytes:
    """What the server answers first, to a client that goes on sending until it is hung up on."""
    with socket.create_connection(("localhost", server.port), timeout=20) as client:
        try:
            for piece in sent:
                client.sendall(piece)
            return client.recv(4096).partition(b"\r\n")[0]
        except (BrokenPipeError, ConnectionResetError):
            return b"hung up"


def endless(*start: bytes, line: bytes = MORE) -> Iterator[bytes]:
    yield from start
    yield from repeat(line, 4096)


@pytest.mark.parametrize(
    "sent",
    [
        endless(b"GET /"),
        endless(START, b"X-Long: "),
        endless(START, line=b"X-Many: " + MORE + b"\r\n"),
        endless(CHUNKED, b"X-Long: "),
    ],
    ids=["address", "field", "fields", "trailer"],
)
def test_a_head_without_an_end_is_refused(shared_server: Server, sent: Iterator[bytes]) -> None:
    assert first_line(shared_server, sent) in {b"hung up", b"HTTP/1.1 400 Bad Request"}


def test_a_head_in_pieces_is_answered(shared_server: Server) -> None:
    pieces = iter([START, b"X-Some: ", MORE, b"\r\n", b"\r\n"])
    assert first_line(shared_server, pieces) == b"HTTP/1.1 200 OK"

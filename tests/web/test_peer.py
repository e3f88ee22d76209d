"""A remote peer that hangs is given up, and takes no more threads than are its own."""

from __future__ import annotations

import threading

import anyio
import pytest

from app.web.peer import Peer
from app.web.problems import Unavailable


def test_calls_to_a_peer_that_hangs_do_not_pile_up() -> None:
    began, let_go = threading.Semaphore(0), threading.Event()

    def hang() -> None:
        began.release()
        assert let_go.wait(60)

    async def call_it_often() -> None:
        peer = Peer("The peer", at_once=2, seconds=0.02)
        for _ in range(5):
            with pytest.raises(Unavailable, match="The peer did not answer in time"):
                await peer.call(hang)

    try:
        anyio.run(call_it_often)
        assert [began.acquire(blocking=False) for _ in range(3)] == [True, True, False]
    finally:
        let_go.set()

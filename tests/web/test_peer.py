"""A remote peer that hangs is given up, and takes no more threads than are its own."""

from __future__ import annotations

import subprocess
import sys
import threading

import anyio
import pytest

from app.web.peer import Peer
from app.web.problems import Unavailable
from tests.peers import wait_until


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


def test_a_peer_that_hangs_does_not_keep_the_process() -> None:
    code = """
import anyio, time
from app.web.peer import Peer
from app.web.problems import Unavailable
try:
    anyio.run(lambda: Peer("The peer", seconds=0.05).call(lambda: time.sleep(600)))
except Unavailable:
    print("given up")
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert ended.stdout == "given up\n"


def test_its_threads_end_when_it_is_closed() -> None:
    peer = Peer("A peer that is closed")
    assert anyio.run(peer.call, lambda: 7) == 7
    peer.close()
    wait_until(lambda: all(thread.name != "A peer that is closed" for thread in threading.enumerate()), what="its end")

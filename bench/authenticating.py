"""What it costs to know who asks: the same request of a public action, with a key, with a session, and of nobody."""

from __future__ import annotations

import re
import sqlite3
import statistics
from pathlib import Path
from time import perf_counter

from app.web.answer import API
from bench.lines import serving
from bench.load import Connection, request
from bench.result import Result
from tests.peers.server import Server

STORED = 10_000
ROUNDS = 1_500
PATH = f"{API}/auth/allowed-scopes"


def authenticating(folder: Path) -> list[Result]:
    with serving(folder, LATTICE_LOCAL_POOL="off") as (server, key):
        cookie = server.signed_in().cookies["lattice_session"]
        _store_more(folder / "data" / "lattice.db")
        by_nobody, by_key, by_session = _medians(server, key, cookie)
    note = f"{STORED:,} keys and {STORED:,} sessions stored"
    return [
        Result("a key adds to a request", by_key - by_nobody, "ms", 0.3, by_nobody, "the request of nobody", note=note),
        Result("a session adds", by_session - by_nobody, "ms", 0.3, by_nobody, "the request of nobody", note=note),
    ]


def _medians(server: Server, key: str, cookie: str) -> tuple[float, float, float]:
    """In milliseconds, of the three in turn over one connection, so that whatever else runs slows all alike."""
    bare = re.sub(rb"Authorization: [^\r]*\r\n", b"", request("GET", PATH, port=server.port))
    wires = (
        bare,
        request("GET", PATH, port=server.port, key=key),
        bare[:-2] + f"Cookie: lattice_session={cookie}\r\n\r\n".encode(),
    )
    connection = Connection(server.port)
    taken: tuple[list[float], ...] = ([], [], [])
    for _ in range(ROUNDS):
        for wire, times in zip(wires, taken, strict=True):
            began = perf_counter()
            status, _ = connection.ask(wire)
            times.append((perf_counter() - began) * 1000)
            assert status == 200, status
    nobody, with_key, with_session = (statistics.median(times) for times in taken)
    return nobody, with_key, with_session


def _store_more(file: Path) -> None:
    """Copies of the one key and the one session that there are, under other ids and digests."""
    database = sqlite3.connect(file, isolation_level=None, timeout=30)
    for table in ("api_key", "sign_in_session"):
        columns = [name for _, name, *_ in database.execute(f"PRAGMA table_info({table})")]
        row = dict(zip(columns, database.execute(f"SELECT * FROM {table} LIMIT 1").fetchone(), strict=True))
        marks = ", ".join("?" * len(columns))
        database.execute("BEGIN IMMEDIATE")
        database.executemany(
            f"INSERT INTO {table} VALUES ({marks})",
            ([_other(name, value, number) for name, value in row.items()] for number in range(STORED)),
        )
        database.execute("COMMIT")
    database.execute("ANALYZE")
    database.close()


def _other(name: str, value: object, number: int) -> object:
    if name == "id":
        return f"{str(value)[:20]}{number:010}"
    return f"{number:064x}" if name == "digest" else value

"""The floors: what the same machine does without Lattice."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path
from time import perf_counter, sleep

import orjson

from tests.peers import free_port

SERVER = """
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
async def work(request: Request) -> Response:
    await request.body()
    return Response(b'{"id": "job"}', 201, media_type="application/json")
uvicorn.run(Starlette(routes=[Route("/api/v1/jobs", work, methods=["GET", "POST"])]), port=PORT, loop="uvloop",
            http="httptools", access_log=False, log_level="warning")
"""


class BareServer:
    """A Starlette that answers the same bytes and stores nothing."""

    def __init__(self) -> None:
        self.port = free_port()
        self._process = subprocess.Popen([sys.executable, "-c", SERVER.replace("PORT", str(self.port))])
        self._wait()

    def _wait(self) -> None:
        from bench.load import Connection

        for _ in range(500):
            try:
                Connection(self.port)
            except OSError:
                sleep(0.02)
            else:
                return

    def close(self) -> None:
        self._process.terminate()
        self._process.wait()


def commits_per_second(folder: Path, count: int = 400) -> float:
    """One durable insert a transaction, from one thread: what the disk allows."""
    database = sqlite3.connect(folder / "floor.db", isolation_level=None)
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("PRAGMA synchronous=FULL")
    database.execute("CREATE TABLE IF NOT EXISTS job (id INTEGER PRIMARY KEY, text TEXT)")
    began = perf_counter()
    for _ in range(count):
        database.execute("BEGIN IMMEDIATE")
        database.execute("INSERT INTO job (text) VALUES (?)", ("x" * 600,))
        database.execute("COMMIT")
    return count / (perf_counter() - began)


def supervisors_per_second(count: int = 60) -> float:
    """An isolated Python that starts and ends, two at a time."""
    began = perf_counter()
    for _ in range(count // 2):
        pair = [subprocess.Popen([sys.executable, "-I", "-S", "-c", "pass"]) for _ in range(2)]
        for process in pair:
            process.wait()
    return count / (perf_counter() - began)


def list_in_process(file: Path, count: int = 100) -> bytes:
    """The newest rows as JSON by plain SQL."""
    database = sqlite3.connect(file)
    database.row_factory = sqlite3.Row
    rows = database.execute("SELECT * FROM job ORDER BY id DESC LIMIT ?", (count,)).fetchall()
    database.close()
    return orjson.dumps([dict(row) for row in rows])


def resident_mib(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise ProcessLookupError(pid)


IMPORTS = "import starlette.applications, uvicorn, jinja2, sqlmodel, itsdangerous, orjson, pydantic_settings"


def imports_mib() -> float:
    """The named packages imported, and nothing done with them."""
    code = f"{IMPORTS}\nprint(next(l.split()[1] for l in open('/proc/self/status') if l.startswith('VmRSS')))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return int(done.stdout) / 1024


def imports_seconds() -> float:
    began = perf_counter()
    subprocess.run([sys.executable, "-c", IMPORTS], check=True)
    return perf_counter() - began

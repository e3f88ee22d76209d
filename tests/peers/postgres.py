"""A throwaway PostgreSQL from the system's binaries, one per test session, on a Unix socket.

It trades durability for speed (what is committed survives the end of its process, not that of the machine) and
trusts every connection: never point it at a folder that matters.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, LiteralString

import psycopg
import pytest
from psycopg import sql

from tests.peers import unavailable, wait_until

FAST = ("fsync=off", "full_page_writes=off", "autovacuum=off", "shared_buffers=64MB")


@dataclass
class Postgres:
    """A running server. Databases made by it are dropped with it."""

    home: Path
    binaries: Path
    process: subprocess.Popen[str] | None = None
    templates: set[str] = field(default_factory=set)
    made: int = 0

    def url(self, database: str = "postgres") -> str:
        """What DATABASE_URL takes."""
        return f"postgresql://postgres@/{database}?host={self.home}"

    def execute(self, statement: LiteralString, *names: str) -> None:
        """Run one statement outside of a transaction; each `{}` in it takes a name, quoted."""
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))

    def new_database(self, template: str = "template1") -> str:
        """The URL of a fresh database, a copy of `template`, in some tens of milliseconds."""
        self.made += 1
        name = f"test_{self.made}"
        self.execute("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY", name, template)
        return self.url(name)

    def template(self, name: str, prepare: Callable[[str], None]) -> str:
        """Make the template `name` once, by calling `prepare` with its URL; returns `name` for `new_database`."""
        if name not in self.templates:
            self.execute("CREATE DATABASE {}", name)
            prepare(self.url(name))
            self.templates.add(name)
        return name

    def start(self) -> None:
        """Start it and wait for its first answer; also after `stop`, on the same data."""
        log = (self.home / "log").open("ab")
        settings = [part for setting in (*FAST, "listen_addresses=") for part in ("-c", setting)]
        command: list[str | Path] = [self.binaries / "postgres", "-D", self.home / "data", "-k", self.home, *settings]
        self.process = subprocess.Popen(command, stdout=log, stderr=log, text=True, **as_owner())
        log.close()
        wait_until(self._answers, what="PostgreSQL's first answer")

    def stop(self, how: signal.Signals = signal.SIGQUIT) -> None:
        """End it, by default at once; SIGINT closes connections and writes a checkpoint."""
        if self.process is not None:
            self.process.send_signal(how)
            self.process.wait(timeout=20)
            self.process = None

    def _answers(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, f"PostgreSQL ended: {(self.home / 'log').read_text()}"
        try:
            psycopg.connect(self.url()).close()
        except psycopg.OperationalError:
            return False
        return True


def as_owner() -> dict[str, Any]:
    """PostgreSQL refuses to run as root: then it runs as the user that its package made."""
    return {"user": "postgres", "group": "postgres", "extra_groups": []} if os.geteuid() == 0 else {}


def find_binaries() -> Path | None:
    """The folder with `initdb` and `postgres`, of the newest version where several are installed."""
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parents[1].name))
    found = debian[-1] if debian else shutil.which("initdb")
    return Path(found).parent if found else None


def create(home: Path, binaries: Path) -> Postgres:
    if os.geteuid() == 0:
        owner = pwd.getpwnam("postgres")
        os.chown(home, owner.pw_uid, owner.pw_gid)
    options = ("--no-sync", "--auth=trust", "--username=postgres", "--encoding=UTF8", *_locale(binaries))
    command: list[str | Path] = [binaries / "initdb", "-D", home / "data", *options]
    subprocess.run(command, check=True, capture_output=True, cwd="/", **as_owner())
    return Postgres(home, binaries)


def _locale(binaries: Path) -> tuple[str, ...]:
    """A language's order of texts, as most clusters have it, where this version can bring its own (15 and later)."""
    known = subprocess.run([binaries / "initdb", "--help"], check=True, capture_output=True, text=True).stdout
    icu = ("--locale-provider=icu", "--icu-locale=en-US") if "--icu-locale" in known else ()
    return "--locale=C.UTF-8", *icu


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """The session's PostgreSQL; a test that stops it has to start it again."""
    binaries = find_binaries()
    if binaries is None:
        unavailable("PostgreSQL's server binaries are not installed")
    home = Path(tempfile.mkdtemp(prefix="lattice-postgres-"))
    server = create(home, binaries)
    try:
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(home)


@pytest.fixture
def postgres_url(postgres: Postgres) -> str:
    """An empty database of the test's own."""
    return postgres.new_database()

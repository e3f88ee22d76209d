"""A consistent copy of the database into a file, and back: SQLite by its own backup, PostgreSQL by its own programs.

No password stands on a command line: PostgreSQL's programs take theirs from the environment.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

from sqlalchemy.engine import URL, make_url

from app.backup.errors import BackupError

FROM_URL = {"host": "PGHOST", "port": "PGPORT", "sslmode": "PGSSLMODE", "sslrootcert": "PGSSLROOTCERT"}
PLAIN = ("--no-owner", "--no-privileges")


def kind_of(url: str) -> str:
    return "sqlite" if url.startswith("sqlite") else "postgresql"


def snapshot(url: str, file: Path) -> None:
    """Copy the database, as it is at one moment, into `file`; writers go on meanwhile."""
    if kind_of(url) == "postgresql":
        _run("pg_dump", url, "--format=custom", *PLAIN, f"--file={file}")
        return
    try:
        with closing(_opened(sqlite_path(url))) as source, closing(sqlite3.connect(file)) as copy:
            source.backup(copy)  # in one step, so that a busy writer can't make it start again
    except sqlite3.Error as wrong:
        raise BackupError(f"The database can't be copied: {wrong}.") from None


def verify(kind: str, file: Path) -> None:
    """Raise BackupError where the copy is not a sound database."""
    if kind == "postgresql":
        _run("pg_restore", None, "--list", str(file))
        return
    try:
        with closing(_opened(file)) as copy:
            (answer,) = copy.execute("PRAGMA quick_check").fetchone()
    except sqlite3.DatabaseError as wrong:
        answer = str(wrong)
    if answer != "ok":
        raise BackupError(f"The database in the backup is not sound: {answer}.")


def is_empty(url: str) -> bool:
    """Whether there is nothing in the database's place."""
    if kind_of(url) == "sqlite":
        return not sqlite_path(url).exists()
    from sqlalchemy import NullPool, create_engine, inspect

    engine = create_engine(url, poolclass=NullPool, connect_args={"connect_timeout": 10})
    try:
        return not inspect(engine).get_table_names()
    finally:
        engine.dispose()


def load_postgres(url: str, file: Path) -> None:
    """Put a dump in the place of what the database holds, all or nothing."""
    where = f"--dbname={make_url(url).database}"
    whole = ("--single-transaction", "--exit-on-error", "--clean", "--if-exists")
    _run("pg_restore", url, *PLAIN, *whole, where, str(file))


def sqlite_path(url: str) -> Path:
    return Path(make_url(url).database or "")


def _opened(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.resolve().as_uri()}?mode=rw", uri=True)


def _run(program: str, url: str | None, *arguments: str) -> None:
    if shutil.which(program) is None:
        raise BackupError(f"The program {program} is missing; install PostgreSQL's client programs.")
    environment = os.environ | (_environment(make_url(url)) if url else {})
    done = subprocess.run([program, *arguments], env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        said = " ".join(done.stderr.split())[:500].rstrip(".") or f"it ended with {done.returncode}"
        raise BackupError(f"{program} failed: {said}.")


def _environment(url: URL) -> dict[str, str]:
    """libpq's variables for the address."""
    values = {"host": url.host, "port": str(url.port) if url.port else None, **url.query}
    found = {variable: str(values[name]) for name, variable in FROM_URL.items() if values.get(name)}
    named = {"PGUSER": url.username, "PGPASSWORD": url.password, "PGDATABASE": url.database}
    return found | {name: str(value) for name, value in named.items() if value}

"""Whether a server works on a PostgreSQL database, on any machine: a data folder's lock tells of one machine only.

A server's workers beat (see `workers/loop.py`). A beat that is young may be that of a server which has just been
stopped, so it is watched for a while: one that moves is a server's that runs.
"""

from __future__ import annotations

import time
from datetime import datetime, timedelta

from sqlalchemy import inspect

from app.backup.errors import BackupError
from app.db import Database, database_now
from app.workers.loop import SILENT_AFTER, beats
from app.workers.models import WorkerBeat

WATCH = 15.0  # seconds: three beats
LOOK_EVERY = 0.5


def refuse_served(url: str) -> None:
    """Raise BackupError where a server works on the database; takes a while where one has just been stopped."""
    db = Database(url, pool_size=1)
    try:
        if inspect(db.engine).has_table(str(WorkerBeat.__tablename__)) and _beats_on(db):
            raise BackupError("A server is at work on this database; stop it first.")
    finally:
        db.close()


def _beats_on(db: Database) -> bool:
    first = _young_beats(db)
    until = time.monotonic() + WATCH
    while first and time.monotonic() < until:
        time.sleep(LOOK_EVERY)
        if any(first.get(name) != at for name, at in _young_beats(db).items()):
            return True
    return False


def _young_beats(db: Database) -> dict[str, datetime]:
    with db.read() as session:
        since = database_now(session) - timedelta(seconds=SILENT_AFTER)
        return {name: at for name, at in beats(session).items() if at > since}

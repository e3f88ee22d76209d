"""The cleaner: it removes what is past its time, in small batches, so that no request waits long for the writer.

A job's folders go first, then its log, then its rows, so that a crash leaves nothing that nobody would remove. The
folders are removed by the reconciler of their pool, on the machine where they are.
"""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

from sqlalchemy import Table, delete, exists, select, update
from sqlmodel import Session, SQLModel

from app.accounts.models import SignInSession
from app.accounts.providers import tokens
from app.db import utcnow
from app.jobs.models import ATTEMPT, DOCUMENT, JOB, LOG, SECRET
from app.jobs.states import HELD, HeldJob, count
from app.site import Site
from app.stores.objects import StoreError
from app.web.idempotency import KEEP
from app.workers import lease
from app.workers.loop import is_due

BATCH = 200
LATE = timedelta(days=1)  # an end may be applied so much later than it was
ROUND_EVERY = timedelta(seconds=60)
SESSION: Table = SignInSession.metadata.tables[str(SignInSession.__tablename__)]
_PARTS = (SECRET, LOG, DOCUMENT, ATTEMPT)  # of a job, before its own row


class Cleaner:
    """The worker `cleaner`; one at a time on a database."""

    name = "cleaner"
    rest = 1.0

    def __init__(self, site: Site) -> None:
        self._site = site
        self._db = site.db
        self._held: lease.Held | None = None
        self._done_at: datetime | None = None
        self._logs_done = datetime.min.replace(tzinfo=UTC)  # no log of a job that ended before is there any more

    def round(self) -> float:
        now = utcnow()
        if not is_due(self._done_at, now, ROUND_EVERY):
            return 1.0
        self._held = lease.keep(self._db, self._held, "cleaner", self._site.datadir.host_id)
        if self._held is None:
            return 1.0
        settings = self._site.settings
        more = self._remove_logs(now - timedelta(days=settings.lattice_keep_logs_days), now)
        more |= self._remove_jobs(now - timedelta(days=settings.lattice_keep_rows_days))
        more |= self._remove_rows("event", "at", now - timedelta(days=settings.lattice_keep_rows_days))
        more |= self._remove_rows("idempotency_key", "created_at", now - KEEP)
        more |= self._end_sessions(now)
        more |= self._remove_rows("sign_in_link", "expires_at", now)
        more |= self._remove_rows("device_sign_in", "expires_at", now - timedelta(hours=1))
        more |= self._remove_rows("lease", "expires_at", now - timedelta(days=1))
        more |= self._remove_rows("worker_beat", "at", now - timedelta(days=1))
        if not more:
            self._done_at = now
        return 0.0 if more else 1.0

    def _remove_logs(self, until: datetime, now: datetime) -> bool:
        with self._db.read() as db:
            old = select(JOB.c.id).where(
                JOB.c.finished_at.between(self._logs_done, until), JOB.c.logs_removed_at.is_(None)
            )
            jobs = list(db.execute(old.order_by(JOB.c.finished_at).limit(BATCH)).scalars())
        removed = [job_id for job_id in jobs if self._remove_log(job_id)]
        if removed:
            with self._db.write() as db:
                db.connection().execute(update(JOB).where(JOB.c.id.in_(removed)).values(logs_removed_at=now))
        if len(removed) == len(jobs) < BATCH:
            self._logs_done = until - LATE
        return len(removed) == BATCH

    def _remove_log(self, job_id: str) -> bool:
        try:
            self._site.logs.delete(job_id)
        except StoreError:
            return False  # the next round tries again
        return True

    def _remove_jobs(self, until: datetime) -> bool:
        with self._db.write() as db:
            folders = exists().where(ATTEMPT.c.job_id == JOB.c.id, ATTEMPT.c.discarded_at.is_(None))
            old = select(*HELD).where(JOB.c.finished_at < until, JOB.c.logs_removed_at.is_not(None), ~folders)
            rows = list(db.execute(old.order_by(JOB.c.finished_at).limit(BATCH).with_for_update()))
            jobs = [HeldJob.of(row) for row in rows]
            if jobs:
                _delete_jobs(db, jobs)
        return len(jobs) == BATCH

    def _end_sessions(self, now: datetime) -> bool:
        """Remove sessions that have expired here; where they began at a provider, they end there too."""
        with self._db.write() as db:
            expired = select(SESSION.c.id).where(SESSION.c.expires_at < now).limit(BATCH)
            ids = list(db.execute(expired).scalars())
            for session_id in ids:
                tokens.ends(db, session_id, now)
            db.flush()
            db.connection().execute(delete(SESSION).where(SESSION.c.id.in_(ids)))
        return len(ids) == BATCH

    def _remove_rows(self, name: str, column: str, until: datetime) -> bool:
        table: Table = SQLModel.metadata.tables[name]
        (key,) = table.primary_key.columns
        old = select(key).where(table.c[column] < until).limit(BATCH)
        with self._db.read() as db:
            keys = list(db.execute(old).scalars())
        if keys:
            with self._db.write() as db:
                db.connection().execute(delete(table).where(key.in_(keys), table.c[column] < until))
        return len(keys) == BATCH


def _delete_jobs(db: Session, jobs: list[HeldJob]) -> None:
    ids = [job.id for job in jobs]
    for part in _PARTS:
        db.connection().execute(delete(part).where(part.c.job_id.in_(ids)))
    db.connection().execute(delete(JOB).where(JOB.c.id.in_(ids)))
    gone = Counter((job.organization_id, job.pool_id, job.state) for job in jobs)
    count(db, {total: -number for total, number in gone.items()})

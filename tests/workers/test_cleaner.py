"""What is past its time goes, in its order: folders, logs, rows. What is not stays."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import func, select, update

from app.accounts.models import SignInSession, User
from app.accounts.providers import tokens
from app.accounts.providers.models import SessionEnding, SessionToken
from app.accounts.providers.protocol import Tokens
from app.accounts.service import begin_session
from app.db import utcnow
from app.events.models import Event
from app.jobs.models import ATTEMPT, JOB, JobState
from app.models import idempotency
from app.site import Site
from app.stores.logs import LogState
from app.workers.cleaner import Cleaner
from app.workers.machines import Machinery
from tests.jobs.rows import Home, job, stop, submit, totals
from tests.workers.hands import Hands


def age(site: Site, days: float) -> None:
    """Everything that has ended did so that long ago."""
    then = utcnow() - timedelta(days=days)
    with site.db.write() as db:
        db.connection().execute(update(JOB).where(JOB.c.finished_at.is_not(None)).values(finished_at=then))
        db.connection().execute(update(ATTEMPT).where(ATTEMPT.c.closed_at.is_not(None)).values(closed_at=then))


def sweep(hands: Hands) -> None:
    Machinery(hands.site, hands.engine, hands.pool).see_to(utcnow())


@pytest.mark.database
def test_a_job_goes_piece_by_piece(site: Site, home: Home, hands: Hands) -> None:
    job_id = submit(site, home, "echo hello", secrets={"TOKEN": "s"})
    hands.until_ended(job_id)
    folder = site.datadir.path / "local" / "attempts" / str(job(site, job_id).attempt_id)
    for days, has_folder, has_log, has_row in ((6, True, True, True), (8, False, True, True), (91, False, False, True)):
        age(site, days)
        sweep(hands)
        Cleaner(site).round()
        assert (folder.exists(), bool(site.logs.read(job_id, LogState(6), 0, 10).data)) == (has_folder, has_log)
        assert (job(site, job_id).logs_removed_at is None, has_row) == (has_log, True)
    age(site, 366)
    Cleaner(site).round()
    with site.db.read() as db:
        assert db.execute(select(func.count()).select_from(JOB)).scalar_one() == 0
    assert totals(site) == {}


def test_rows_stay_while_folders_are_left(site: Site, home: Home, hands: Hands) -> None:
    job_id = submit(site, home, "true")
    hands.until_ended(job_id)
    age(site, 366)
    Cleaner(site).round()
    assert job(site, job_id).state is JobState.SUCCEEDED
    sweep(hands)
    Cleaner(site).round()
    assert totals(site) == {}


def test_jobs_that_have_not_ended_stay(site: Site, home: Home) -> None:
    job_id = submit(site, home)
    ended = submit(site, home)
    stop(site, home, ended)
    age(site, 1000)
    Cleaner(site).round()
    assert job(site, job_id).state is JobState.QUEUED and totals(site) == {JobState.QUEUED: 1}


def test_old_events_and_idempotency_keys_go(site: Site, home: Home) -> None:
    submit(site, home)
    with site.db.write() as db:
        db.execute(update(Event).values(at=utcnow() - timedelta(days=366)))
        yesterday = utcnow() - timedelta(hours=25)
        db.add(idempotency.IdempotencyKey(id="x", body_hash="y", thing_id="z", created_at=yesterday))
    Cleaner(site).round()
    with site.db.read() as db:
        assert db.execute(select(func.count()).select_from(Event)).scalar_one() == 0
        assert db.execute(select(func.count()).select_from(idempotency.IdempotencyKey)).scalar_one() == 0


@pytest.mark.database
def test_a_session_that_expired_ends_at_its_provider_too(site: Site, home: Home) -> None:
    now = utcnow()
    with site.db.write() as db:
        user = db.get(User, home.admin_id)
        assert user is not None
        session = begin_session(
            db, user=user, organization_id=home.organization_id, ip="", user_agent="", now=now - timedelta(days=60)
        )
        db.flush()
        tokens.keep(db, site.keyring, session.id, "user_1", Tokens("session_1", "refresh", now))
    Cleaner(site).round()
    with site.db.read() as db:
        assert db.get(SignInSession, session.id) is None and db.get(SessionToken, session.id) is None
        assert db.get(SessionEnding, "session_1") is not None

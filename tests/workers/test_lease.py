"""A lease has one holder, by the database's clock."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlmodel import Session, col, update

from app.db import Database, utcnow
from app.workers import lease
from app.workers.models import Lease

pytestmark = pytest.mark.database


def expire(db: Database, name: str) -> None:
    with db.write() as session:
        past = utcnow() - timedelta(seconds=1)
        session.execute(update(Lease).where(col(Lease.name) == name).values(expires_at=past))


def is_held(session: Session, held: lease.Held) -> bool:
    try:
        lease.check(session, held)
    except lease.LeaseLost:
        return False
    return True


def test_the_first_taker_holds_it(db: Database) -> None:
    held = lease.take(db, "scheduler", "host-a")
    assert held and held.token == 1
    with db.write() as session:
        assert is_held(session, held)


def test_another_host_is_refused_while_it_is_held(db: Database) -> None:
    lease.take(db, "scheduler", "host-a")
    assert lease.take(db, "scheduler", "host-b") is None


def test_an_expired_lease_goes_to_another_and_the_first_learns_it(db: Database) -> None:
    first = lease.take(db, "scheduler", "host-a")
    expire(db, "scheduler")
    second = lease.take(db, "scheduler", "host-b")
    assert first and second and second.token == first.token + 1
    with db.write() as session:
        assert is_held(session, second)
        with pytest.raises(lease.LeaseLost, match="taken by the host host-b"):
            lease.check(session, first)


def test_a_host_takes_its_own_up_again_at_once_and_its_dead_process_has_lost_it(db: Database) -> None:
    dead = lease.take(db, "pool", "host-a")
    alive = lease.take(db, "pool", "host-a")
    assert dead and alive
    with db.write() as session:
        assert is_held(session, alive) and not is_held(session, dead)


def test_an_expired_lease_does_not_hold_even_if_nobody_took_it(db: Database) -> None:
    held = lease.take(db, "pool", "host-a")
    expire(db, "pool")
    assert held
    with db.write() as session, pytest.raises(lease.LeaseLost, match="nobody has taken it"):
        lease.check(session, held)


def run_out(db: Database, held: lease.Held) -> lease.Held:
    """What a holder has that was slow."""
    expire(db, held.name)
    return replace(held, expires_at=utcnow() - timedelta(seconds=1))


def test_a_lease_that_ran_out_is_renewed_unless_somebody_took_it(db: Database) -> None:
    held = lease.take(db, "pool", "host-a")
    assert held
    renewed = lease.renew(db, run_out(db, held))
    assert renewed and renewed.token == held.token
    with db.write() as session:
        assert is_held(session, renewed)
    late = run_out(db, renewed)
    assert lease.take(db, "pool", "host-b")
    assert lease.renew(db, late) is None


def test_keep_renews_when_little_time_is_left(db: Database) -> None:
    held = lease.take(db, "pool", "host-a")
    assert held and lease.keep(db, held, "pool", "host-a") is held
    short = lease.Held(held.name, held.owner, held.token, utcnow() + timedelta(seconds=1))
    renewed = lease.keep(db, short, "pool", "host-a")
    assert renewed and renewed.token == held.token and renewed.expires_at > held.expires_at - timedelta(seconds=5)

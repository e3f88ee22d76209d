"""Leases: one holder at a time of a named piece of work, by the database's clock.

A lease protects our rows, not the world: results are applied only in a transaction in which `holds` is true. The
owner is the machine's persistent id, so that a server that was killed takes its own work up again at once; that
two servers never share a machine's data folder is the folder's lock's care.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import Update, bindparam, text, update
from sqlmodel import Session, SQLModel, col, select

from app.db import Database, UtcDateTime, database_now
from app.workers.models import Lease

SECONDS = 30.0  # how long a silent holder keeps it
RENEW_BELOW = 20.0  # seconds left at which a round renews it

_TAKE = text(
    "INSERT INTO lease (name, owner, token, expires_at) VALUES (:name, :owner, 1, :expires_at) "
    "ON CONFLICT (name) DO UPDATE SET owner = excluded.owner, token = lease.token + 1, "
    "expires_at = excluded.expires_at WHERE lease.expires_at <= :now OR lease.owner = excluded.owner RETURNING token"
).bindparams(bindparam("now", type_=UtcDateTime), bindparam("expires_at", type_=UtcDateTime))


class LeaseLost(Exception):
    """The work is not this holder's any more: nothing may be applied. The message says how it was lost."""


@dataclass(frozen=True, slots=True)
class Held:
    """A lease as it was taken; `token` tells this taking from every other."""

    name: str
    owner: str
    token: int
    expires_at: datetime


def take(db: Database, name: str, owner: str) -> Held | None:
    """Take what is free, expired or this owner's own from before; None while another holds it."""
    with db.write() as session:
        now = database_now(session)
        expires_at = now + timedelta(seconds=SECONDS)
        values = {"name": name, "owner": owner, "now": now, "expires_at": expires_at}
        token: int | None = session.connection().execute(_TAKE, values).scalar()
    return None if token is None else Held(name, owner, token, expires_at)


def keep(db: Database, held: Held | None, name: str, owner: str) -> Held | None:
    """What a round begins with: the lease renewed when it is due, taken when there is none, None when refused."""
    return (held and renew(db, held)) or take(db, name, owner)


def renew(db: Database, held: Held) -> Held | None:
    """`held`, renewed when it is due, also where it ran out and nobody took it; None where somebody did."""
    with db.read() as session:
        now = database_now(session)
    if held.expires_at - now > timedelta(seconds=RENEW_BELOW):
        return held
    renewed = replace(held, expires_at=now + timedelta(seconds=SECONDS))
    with db.write() as session:
        kept = session.connection().execute(_renewal(renewed)).rowcount
    return renewed if kept else None


def _renewal(held: Held) -> Update:
    lease = SQLModel.metadata.tables["lease"].c
    mine = (lease.name == held.name) & (lease.token == held.token)
    return update(lease.name.table).where(mine).values(expires_at=held.expires_at)


def check(session: Session, held: Held) -> None:
    """Raise LeaseLost unless `held` still holds; it then holds until this transaction ends."""
    row = session.get(Lease, held.name, with_for_update={"read": True}, populate_existing=True)
    if row is None:
        raise LeaseLost(f"the lease {held.name} ran out and was removed")
    if row.token != held.token:
        raise LeaseLost(f"the lease {held.name} was taken by the host {row.owner}")
    if row.expires_at <= database_now(session):
        raise LeaseLost(f"the lease {held.name} ran out before its work was done; nobody has taken it")


def expired(session: Session, prefix: str, before: datetime) -> dict[str, datetime]:
    """The leases of such a name that ran out before that moment and that nobody took since, with when they ran out."""
    query = select(Lease).where(col(Lease.name).startswith(prefix, autoescape=True), col(Lease.expires_at) < before)
    return {lease.name: lease.expires_at for lease in session.exec(query)}

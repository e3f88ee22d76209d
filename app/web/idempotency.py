"""`Idempotency-Key` on creates: the same request twice makes one thing.

The key is inserted in the create's own transaction with a hash of the body. Of the key itself only a hash is stored,
and the body's hash is keyed with it, so that neither can be guessed from the row. A replay answers with the thing as
it is now; nothing of an answer, and so no secret, is stored.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Column, Index
from sqlmodel import Field, Session, SQLModel

from app.db import UtcDateTime
from app.web.problems import BadRequest, Conflict, Invalid

KEEP = timedelta(hours=24)
HEADER = "idempotency-key"
LONGEST = 200
UNDER_WAY = ""  # the thing of a relay that has not ended


class IdempotencyKey(SQLModel, table=True):
    """One create that was asked for with a key; `id` is a hash of principal, method, path and key."""

    __tablename__ = "idempotency_key"
    __table_args__ = (Index(None, "created_at"),)

    id: str = Field(primary_key=True, max_length=64)
    body_hash: str = Field(max_length=64)
    thing_id: str = Field(max_length=40)
    created_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))


@dataclass(frozen=True, slots=True)
class Claim:
    """A create's wish to happen once."""

    id: str
    body_hash: str

    def earlier(self, db: Session, now: datetime) -> str | None:
        """The id of the thing that this key made before; 422 if it was made from another body, 409 if it is not told
        yet: then it is being made, or the server was stopped meanwhile.
        """
        row = db.get(IdempotencyKey, self.id)
        if row is None:
            return None
        if row.created_at < now - KEEP:
            db.delete(row)
            db.flush()
            return None
        if not hmac.compare_digest(row.body_hash, self.body_hash):
            raise Invalid("This Idempotency-Key was used before with another body.")
        if row.thing_id == UNDER_WAY:
            raise Conflict(
                "A request with this Idempotency-Key is under way, or was cut off: look whether its thing is there."
            )
        return row.thing_id

    def begin(self, db: Session, now: datetime) -> None:
        """Before a relay, which is no transaction: nobody else begins under this key."""
        self.keep(db, UNDER_WAY, now)

    def end(self, db: Session, thing_id: str | None) -> None:
        """After the relay: what was made. None: nothing, and the key is free again."""
        row = db.get(IdempotencyKey, self.id)
        if row is not None and thing_id is not None:
            row.thing_id = thing_id
        elif row is not None:
            db.delete(row)

    def keep(self, db: Session, thing_id: str, now: datetime) -> None:
        db.add(IdempotencyKey(id=self.id, body_hash=self.body_hash, thing_id=thing_id, created_at=now))


def claim_of(key: str | None, *, identity: str, method: str, path: str, body: bytes) -> Claim | None:
    if key is None:
        return None
    if not 0 < len(key) <= LONGEST or not key.isprintable():
        raise BadRequest(f"Idempotency-Key is 1 to {LONGEST} printable characters.")
    name = "\x1f".join((identity, method, path, key))
    digest = hmac.new(key.encode("utf-8", "surrogateescape"), body, hashlib.sha256).hexdigest()
    return Claim(hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest(), digest)

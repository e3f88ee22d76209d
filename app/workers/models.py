"""What workers share: leases on work, and the beats that say that they live."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger
from sqlmodel import Field, SQLModel

from app.db import UtcDateTime


class Lease(SQLModel, table=True):
    """Who may do a named piece of work until `expires_at` (the database's clock). A taking raises `token`."""

    __tablename__ = "lease"

    name: str = Field(primary_key=True, max_length=120)
    owner: str = Field(max_length=120)
    token: int = Field(sa_type=BigInteger)
    expires_at: datetime = Field(sa_type=UtcDateTime)


class WorkerBeat(SQLModel, table=True):
    """When a worker last finished a round, whether or not the round did anything; until its first, when it began."""

    __tablename__ = "worker_beat"

    name: str = Field(primary_key=True, max_length=120)
    at: datetime = Field(sa_type=UtcDateTime)

"""The event table: one row a change, in the change's own transaction. Audit, activity and live pages read it."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, Column, Index, Integer, text
from sqlmodel import Field, SQLModel

from app.db import UtcDateTime


class Event(SQLModel, table=True):
    """`seq` ascends in commit order, so that a reader of `seq > n` misses none (see app/events/record.py)."""

    __tablename__ = "event"
    __table_args__ = (
        Index(None, "organization_id", "seq"),
        Index(None, "organization_id", "subject_id", "seq"),
        Index(None, "organization_id", "actor_id", "seq"),
        Index(None, "organization_id", "action", "seq"),
        Index(None, "organization_id", "noun", "seq"),
        Index(
            "ix_event_key",
            "organization_id",
            "key_id",
            "seq",
            sqlite_where=text("key_id IS NOT NULL"),
            postgresql_where=text("key_id IS NOT NULL"),
        ),
        Index(None, "organization_id", "at"),
        Index(None, "at"),
        {"sqlite_autoincrement": True},
    )

    seq: int | None = Field(
        default=None, sa_column=Column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    )
    organization_id: str = Field(foreign_key="organization.id", max_length=40)
    at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    action: str = Field(max_length=60)  # "job.submitted"
    noun: str = Field(max_length=30)  # "job"
    subject_id: str = Field(max_length=40)
    subject_name: str = Field(default="", max_length=120)
    actor_kind: str = Field(max_length=10)  # user | key | system
    actor_id: str | None = Field(default=None, max_length=40)
    actor_name: str = Field(default="", max_length=120)
    key_id: str | None = Field(default=None, max_length=40)
    ip: str | None = Field(default=None, max_length=45)
    request_id: str | None = Field(default=None, max_length=40)
    # A private thing's owner: others don't see it, but admins and the team that it is shared with.
    private_to: str | None = Field(default=None, max_length=40)
    shared_with: str | None = Field(default=None, max_length=40)
    data: str = Field(default="{}")  # JSON

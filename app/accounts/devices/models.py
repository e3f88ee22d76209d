"""Terminals that ask to be let in (RFC 8628). Of the device code only the SHA-256 is kept."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import Column
from sqlmodel import Field, SQLModel

from app.db import EnumText, UtcDateTime
from app.web.action import Role, Scope


class DeviceState(StrEnum):
    PENDING = "pending"
    APPROVED = "approved"
    DENIED = "denied"
    SPENT = "spent"  # its API key was handed over


class DeviceSignIn(SQLModel, table=True):
    """One request for an API key. It belongs to nobody until a person approves it.

    `scopes` and `days`: as asked for, and once approved as granted. `interval`: seconds between two polls.
    """

    __tablename__ = "device_sign_in"

    id: str = Field(primary_key=True, max_length=40)
    organization_id: str | None = Field(default=None, foreign_key="organization.id", max_length=40)
    user_id: str | None = Field(default=None, foreign_key="user_account.id", max_length=40)
    role: Role | None = Field(default=None, sa_column=Column(EnumText(Role)))  # the person's when they approved
    digest: str = Field(max_length=64, unique=True)
    user_code: str = Field(max_length=8, unique=True)
    client: str = Field(max_length=60)
    host: str = Field(max_length=60)
    ip: str = Field(max_length=45)
    user_agent: str = Field(max_length=300)
    scopes: str = Field(max_length=200)  # sorted, comma between
    days: int
    state: DeviceState = Field(sa_column=Column(EnumText(DeviceState), nullable=False))
    created_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    expires_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False, index=True))
    interval: int
    polled_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime))

    @property
    def scope_list(self) -> list[Scope]:
        return [Scope(s) for s in self.scopes.split(",") if s]

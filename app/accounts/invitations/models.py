"""Invitations into an organization: rows only. Of a link's token only the SHA-256 is kept."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import Column, Index, text
from sqlmodel import Field, SQLModel

from app.db import EnumText, UtcDateTime
from app.web.action import Role

OPEN = text("accepted_at IS NULL AND revoked_at IS NULL")


class InvitationState(StrEnum):
    PENDING = "pending"
    ACCEPTED = "accepted"
    REVOKED = "revoked"
    EXPIRED = "expired"


class Invitation(SQLModel, table=True):
    """An address that may join with a role. At most one is open for an address and organization.

    `digest` is None where the identity provider keeps the link and mails it.
    """

    __tablename__ = "invitation"
    __table_args__ = (
        Index(None, "organization_id", "id"),
        Index(
            "ix_invitation_open", "organization_id", "email",
            unique=True, sqlite_where=OPEN, postgresql_where=OPEN,
        ),
    )  # fmt: skip

    id: str = Field(primary_key=True, max_length=40)
    organization_id: str = Field(foreign_key="organization.id", max_length=40)
    external_id: str | None = Field(default=None, max_length=100, unique=True)  # at the identity provider
    email: str = Field(max_length=254)  # lower case
    role: Role = Field(sa_column=Column(EnumText(Role), nullable=False))
    invited_by: str | None = Field(default=None, foreign_key="user_account.id", max_length=40)
    digest: str | None = Field(default=None, max_length=64, unique=True)
    created_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    sent_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    expires_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    accepted_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime))
    accepted_by: str | None = Field(default=None, foreign_key="user_account.id", max_length=40)
    revoked_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime))

    def state(self, now: datetime) -> InvitationState:
        if self.accepted_at is not None:
            return InvitationState.ACCEPTED
        if self.revoked_at is not None:
            return InvitationState.REVOKED
        return InvitationState.EXPIRED if self.expires_at <= now else InvitationState.PENDING

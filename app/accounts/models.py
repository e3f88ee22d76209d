"""Who there is: organizations, users, memberships, sessions, API keys, one-time sign-in links."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Column, ForeignKey, Index, String
from sqlmodel import Field, SQLModel

from app.db import EnumText, UtcDateTime
from app.web.action import Role, Scope


class Organization(SQLModel, table=True):
    __tablename__ = "organization"

    id: str = Field(primary_key=True, max_length=40)
    external_id: str | None = Field(default=None, max_length=100, unique=True)  # at the identity provider
    name: str = Field(max_length=100)
    created_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))


class User(SQLModel, table=True):
    __tablename__ = "user_account"  # `user` is a reserved word of Postgres

    id: str = Field(primary_key=True, max_length=40)
    name: str = Field(default="", max_length=100)
    email: str | None = Field(default=None, max_length=254, unique=True)  # lower case
    created_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))


class Membership(SQLModel, table=True):
    __tablename__ = "membership"
    __table_args__ = (Index(None, "organization_id", "user_id", unique=True), Index(None, "user_id", "organization_id"))

    id: str = Field(primary_key=True, max_length=40)
    external_id: str | None = Field(default=None, max_length=100, unique=True)  # at the identity provider
    organization_id: str = Field(foreign_key="organization.id", max_length=40)
    user_id: str = Field(foreign_key="user_account.id", max_length=40)
    role: Role = Field(sa_column=Column(EnumText(Role), nullable=False))
    created_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    stepping_down_until: datetime | None = Field(default=None, sa_column=Column(UtcDateTime))  # not counted as an admin

    @property
    def owner_id(self) -> str:
        return self.user_id


class SignInSession(SQLModel, table=True):
    """A browser that is signed in. Its cookie names this row; ending the row ends the session at once."""

    __tablename__ = "sign_in_session"
    __table_args__ = (Index(None, "user_id", "id"), Index(None, "expires_at"))

    id: str = Field(primary_key=True, max_length=40)
    user_id: str = Field(foreign_key="user_account.id", max_length=40)
    organization_id: str = Field(foreign_key="organization.id", max_length=40)  # the current one
    created_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    expires_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    last_seen_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    ip: str = Field(default="", max_length=45)  # where it was signed in from
    last_seen_ip: str | None = Field(default=None, max_length=45)
    user_agent: str = Field(default="", max_length=300)

    @property
    def owner_id(self) -> str:
        return self.user_id

    @property
    def is_private(self) -> bool:
        return True


class SignInLink(SQLModel, table=True):
    """A one-time link, kept as the SHA-256 of its token."""

    __tablename__ = "sign_in_link"

    digest: str = Field(primary_key=True, max_length=64)
    user_id: str = Field(foreign_key="user_account.id", max_length=40)
    created_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    expires_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False, index=True))
    used_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime))


class ApiKey(SQLModel, table=True):
    """A program's credential, kept as the SHA-256 of the key. It belongs to one organization for ever."""

    __tablename__ = "api_key"
    __table_args__ = (
        Index(None, "organization_id", "user_id", "id"),
        Index(None, "organization_id", "id"),
        Index(None, "made_by_key"),
    )

    id: str = Field(primary_key=True, max_length=40)
    organization_id: str = Field(foreign_key="organization.id", max_length=40)
    user_id: str = Field(foreign_key="user_account.id", max_length=40)
    name: str = Field(max_length=100)
    prefix: str = Field(max_length=16)
    digest: str = Field(max_length=64, unique=True)
    previous_digest: str | None = Field(default=None, max_length=64, unique=True)  # of the text before the rotation
    previous_ends_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime))  # until when that one works
    scopes: str = Field(default="", max_length=200)  # sorted, comma between
    role: Role = Field(sa_column=Column(EnumText(Role), nullable=False))  # the owner's when it was made
    made_by_key: str | None = Field(default=None, sa_column=Column(String(40), ForeignKey("api_key.id"), nullable=True))
    created_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    expires_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime))
    last_used_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime))
    last_used_ip: str | None = Field(default=None, max_length=45)
    revoked_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime))

    @property
    def owner_id(self) -> str:
        return self.user_id

    @property
    def is_private(self) -> bool:
        """A key is seen by its owner and by admins, and by nobody else."""
        return True

    @property
    def scope_list(self) -> list[Scope]:
        return [Scope(s) for s in self.scopes.split(",") if s]

"""What is kept about people's identities elsewhere: who they are there, their tokens, and what the provider told us.

Rows only. A refresh token is sealed by the keyring; an access token is not kept at all.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Column, ForeignKey, Index, String
from sqlmodel import Field, SQLModel

from app.db import UtcDateTime
from app.keyring import SEALED, SealedColumn


class Identity(SQLModel, table=True):
    """A person at an identity provider. It is linked to a user once and never moves to another."""

    __tablename__ = "identity"
    __table_args__ = (Index(None, "user_id", "provider", unique=True),)

    provider: str = Field(primary_key=True, max_length=20)
    subject: str = Field(primary_key=True, max_length=255)  # the provider's id of the person
    user_id: str = Field(foreign_key="user_account.id", max_length=40)
    created_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))


class SessionToken(SQLModel, table=True):
    """What renews a session at the provider. It ends with our session's row."""

    __tablename__ = "session_token"

    session_id: str = Field(
        sa_column=Column(String(40), ForeignKey("sign_in_session.id", ondelete="CASCADE"), primary_key=True)
    )
    subject: str = Field(max_length=255)
    external_session_id: str = Field(max_length=255, index=True)
    ciphertext: str  # the refresh token
    fingerprint: str = Field(max_length=16)
    expires_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))  # when the access token does
    leased_until: datetime | None = Field(default=None, sa_column=Column(UtcDateTime))  # somebody is renewing it


class SessionEnding(SQLModel, table=True):
    """A session at the provider that a worker still has to end there."""

    __tablename__ = "session_ending"

    external_session_id: str = Field(primary_key=True, max_length=255)
    created_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False, index=True))


class ProviderEvent(SQLModel, table=True):
    """An event that the provider sent: kept so that a second copy is known, and until a worker has looked into it.

    It says where to look (an organization, a person, a session), never what is true there.
    """

    __tablename__ = "provider_event"
    __table_args__ = (Index(None, "done_at", "received_at"),)

    id: str = Field(primary_key=True, max_length=255)  # the provider's
    kind: str = Field(max_length=100)
    about: str = Field(max_length=255)  # the provider's id of what to look at again
    received_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    done_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime))


SEALED.append(SealedColumn("session_token"))

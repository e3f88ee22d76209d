"""Teams of an organization and who is in them: rows only, no decisions."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Column, Index
from sqlmodel import Field, SQLModel

from app.db import UtcDateTime


class Team(SQLModel, table=True):
    """Some members who can share things with one another. `folded_name` keeps names apart whatever their case."""

    __tablename__ = "team"
    __table_args__ = (Index(None, "organization_id", "folded_name", unique=True), Index(None, "organization_id", "id"))

    id: str = Field(primary_key=True, max_length=40)
    organization_id: str = Field(foreign_key="organization.id", max_length=40)
    name: str = Field(max_length=100)
    folded_name: str = Field(max_length=300)
    created_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))


class TeamMember(SQLModel, table=True):
    """A member in a team. It names the user, whose membership of the organization it never outlives."""

    __tablename__ = "team_member"
    __table_args__ = (Index(None, "user_id", "team_id"), Index(None, "organization_id", "user_id"))

    team_id: str = Field(primary_key=True, foreign_key="team.id", max_length=40)
    user_id: str = Field(primary_key=True, foreign_key="user_account.id", max_length=40)
    organization_id: str = Field(foreign_key="organization.id", max_length=40)
    added_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))

"""A database with people in it, for tests below HTTP: rows as the product makes them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import text
from sqlmodel import SQLModel

import app.jobs.models
import app.pools.models
import app.workers.models  # noqa: F401
from app.accounts.models import Membership, Organization, User
from app.db import Database, new_id, utcnow
from app.jobs.search import upgrade_ddl
from app.web.action import Role


@dataclass(frozen=True, slots=True)
class Home:
    """The organization and its two people."""

    organization_id: str
    admin_id: str
    member_id: str


def open_database(folder: Path) -> Database:
    database = Database(f"sqlite:///{folder / 'test.db'}")
    SQLModel.metadata.create_all(database.engine)
    with database.write() as session:
        for statement in upgrade_ddl("sqlite"):
            session.connection().execute(text(statement))
    return database


def make_home(database: Database) -> Home:
    now = utcnow()
    with database.write() as session:
        organization = Organization(id=new_id("org"), name="Home", created_at=now)
        admin = User(id=new_id("usr"), name="Ada", email="ada@example.org", created_at=now)
        member = User(id=new_id("usr"), name="Max", email=None, created_at=now)
        session.add_all([organization, admin, member])
        session.flush()
        for user, role in ((admin, Role.ADMIN), (member, Role.MEMBER)):
            session.add(
                Membership(
                    id=new_id("mem"), organization_id=organization.id, user_id=user.id, role=role, created_at=now
                )
            )
        home = Home(organization.id, admin.id, member.id)
    return home

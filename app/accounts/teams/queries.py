"""Named queries over teams. Each begins with the organization."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import func, or_
from sqlmodel import Session, col, select

from app.accounts.models import Membership, User
from app.accounts.teams.models import Team, TeamMember


def newest(
    db: Session, organization_id: str, *, limit: int, before: str | None, q: str | None = None
) -> Sequence[tuple[Team, int]]:
    """Teams with how many members each has, newest first, one more than `limit`."""
    size = select(func.count()).where(TeamMember.team_id == Team.id).correlate(Team).scalar_subquery()
    statement = (
        select(Team, size).where(Team.organization_id == organization_id).order_by(col(Team.id).desc()).limit(limit + 1)
    )
    if before is not None:
        statement = statement.where(col(Team.id) < before)
    if q:
        statement = statement.where(col(Team.name).icontains(q, autoescape=True))
    return db.exec(statement).all()


def named(db: Session, organization_id: str, name: str) -> Team | None:
    return db.exec(
        select(Team).where(Team.organization_id == organization_id, Team.folded_name == name.casefold())
    ).first()


def choices(db: Session, organization_id: str, wanted: str) -> Sequence[Team]:
    """The team of that id or name, whatever the name's case."""
    named_so = or_(col(Team.id) == wanted, col(Team.folded_name) == wanted.casefold())
    return db.exec(select(Team).where(Team.organization_id == organization_id, named_so).limit(2)).all()


def members_of(db: Session, team: Team) -> Sequence[tuple[Membership, User]]:
    """Who is in the team, by name."""
    return db.exec(
        select(Membership, User)
        .join(User, col(User.id) == Membership.user_id)
        .join(TeamMember, col(TeamMember.user_id) == User.id)
        .where(TeamMember.team_id == team.id, Membership.organization_id == team.organization_id)
        .order_by(col(User.name), col(User.id))
    ).all()


def teams_of(db: Session, organization_id: str, user_id: str) -> Sequence[Team]:
    return db.exec(
        select(Team)
        .join(TeamMember, col(TeamMember.team_id) == Team.id)
        .where(TeamMember.user_id == user_id, TeamMember.organization_id == organization_id)
        .order_by(col(Team.name))
    ).all()


def count(db: Session, organization_id: str) -> int:
    return db.exec(select(func.count()).select_from(Team).where(Team.organization_id == organization_id)).one()


def place(db: Session, team: Team, user_id: str) -> TeamMember | None:
    return db.get(TeamMember, (team.id, user_id))

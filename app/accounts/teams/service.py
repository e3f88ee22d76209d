"""Teams: made, renamed, deleted, joined and left. Decisions, not HTTP; the caller commits."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import delete
from sqlmodel import Session, col

from app import events
from app.accounts.models import Membership, User
from app.accounts.teams import queries
from app.accounts.teams.models import Team, TeamMember
from app.db import new_id
from app.jobs.sharing import unshare
from app.web.ask import Actor
from app.web.problems import Conflict, FieldError

MOST_TEAMS = 1000


def create(db: Session, organization_id: str, name: str, *, actor: Actor, now: datetime) -> Team:
    """Raises Conflict for a name that is taken, whatever its case."""
    if queries.count(db, organization_id) >= MOST_TEAMS:
        raise Conflict(f"There are {MOST_TEAMS} teams already; delete one first.")
    _free_name(db, organization_id, name)
    team = Team(
        id=new_id("team"), organization_id=organization_id, name=name, folded_name=name.casefold(), created_at=now
    )
    db.add(team)
    events.record(db, actor, "team.created", subject_id=team.id, subject_name=name)
    return team


def rename(db: Session, team: Team, name: str, *, actor: Actor) -> None:
    if name == team.name:
        return
    _free_name(db, team.organization_id, name, but=team.id)
    was, team.name, team.folded_name = team.name, name, name.casefold()
    db.add(team)
    events.record(
        db, actor, "team.renamed", subject_id=team.id, subject_name=name, data=events.changes(name=(was, name))
    )


def dissolve(db: Session, team: Team, *, actor: Actor) -> None:
    """Delete the team; its members stay in the organization, what was shared with it is private to its owners then."""
    jobs = unshare(db, team)
    db.connection().execute(delete(TeamMember).where(col(TeamMember.team_id) == team.id))
    db.delete(team)
    data = {"jobs_made_private": jobs}
    events.record(db, actor, "team.deleted", subject_id=team.id, subject_name=team.name, data=data)


def add(db: Session, team: Team, member: Membership, user: User, *, actor: Actor, now: datetime) -> None:
    """Put the member in the team; once more changes nothing."""
    if queries.place(db, team, member.user_id) is not None:
        return
    db.add(TeamMember(team_id=team.id, user_id=member.user_id, organization_id=team.organization_id, added_at=now))
    data = {"member": member.id, "name": user.name or user.email}
    events.record(db, actor, "team.member_added", subject_id=team.id, subject_name=team.name, data=data)


def take_out(db: Session, team: Team, member: Membership, user: User, *, actor: Actor) -> None:
    place = queries.place(db, team, member.user_id)
    if place is None:
        return
    db.delete(place)
    data = {"member": member.id, "name": user.name or user.email}
    events.record(db, actor, "team.member_removed", subject_id=team.id, subject_name=team.name, data=data)


def forget_member(db: Session, organization_id: str, user_id: str) -> None:
    """Take somebody who leaves the organization out of all its teams."""
    mine = (col(TeamMember.organization_id) == organization_id, col(TeamMember.user_id) == user_id)
    db.connection().execute(delete(TeamMember).where(*mine))


def _free_name(db: Session, organization_id: str, name: str, but: str | None = None) -> None:
    taken = queries.named(db, organization_id, name)
    if taken is not None and taken.id != but:
        message = f"There is a team {taken.name} already."
        raise Conflict(message, errors=[FieldError("name", message)])

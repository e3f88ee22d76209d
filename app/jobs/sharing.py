"""With whom a job is shared: everybody in the organization, one team, or nobody. That is about reading, not writing."""

from __future__ import annotations

from typing import Any

from sqlalchemy import update
from sqlmodel import Session

from app.accounts.teams import queries as teams
from app.accounts.teams.models import Team
from app.jobs.answers import TeamChoice
from app.jobs.bodies import JobUpdate
from app.jobs.models import JOB, Visibility
from app.jobs.queries import Reader
from app.web.ask import Principal
from app.web.problems import Invalid

OFFERED = 200


def team_to_share_with(db: Session, me: Reader, wanted: str) -> Team:
    """The team of that name or id: one that the person is in, or any for an admin. Raises Invalid."""
    for team in teams.choices(db, me.organization_id, wanted):
        if me.is_admin or teams.place(db, team, me.user_id) is not None:
            return team
    raise Invalid.field("team", f"You are in no team {wanted[:60]!r}.")


def offered(db: Session, me: Principal) -> list[TeamChoice]:
    """The teams that a form offers to share with."""
    if me.is_admin:
        found = [team for team, _ in teams.newest(db, me.organization_id, limit=OFFERED, before=None)]
    else:
        found = list(teams.teams_of(db, me.organization_id, me.user_id))
    return [TeamChoice(team.id, team.name) for team in sorted(found, key=lambda team: team.folded_name)]


def columns_of(db: Session, me: Reader, body: JobUpdate) -> dict[str, Any]:
    """What a change sets. Who may see it now takes the place of whom it was shared with."""
    values = body.model_dump(exclude_none=True, exclude={"team"})
    if body.visibility is not None:
        team = team_to_share_with(db, me, body.team) if body.team else None
        values["team_id"] = team.id if team else None
    return values


def unshare(db: Session, team: Team) -> int:
    """Make what was shared with a team that ends private to its owners; returns how many jobs those were."""
    values = {"visibility": Visibility.PRIVATE, "team_id": None}
    return db.connection().execute(update(JOB).where(JOB.c.team_id == team.id).values(values)).rowcount

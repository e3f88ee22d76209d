"""The one enforcement middleware: it compares the principal with the Action's row and lets in, or refuses.

Deny by default. The order of refusals is 401, 403, 404, then the body's 415, 413, 400, 422. The one loader here
fetches `thing`, checking organization and visibility (404), then owner (403).
"""

from __future__ import annotations

from typing import Any

from sqlmodel import Session, SQLModel

from app.accounts.teams.models import TeamMember
from app.web.action import Action, Role, Scope
from app.web.ask import Principal
from app.web.problems import Forbidden, NotFound, Unauthenticated

ID_LENGTH = 60
NEEDS_ADMIN = "This needs the role admin in the organization."


def admit(action: Action, someone: Principal | None) -> None:
    """Raise Unauthenticated or Forbidden unless `someone` may do `action` at all."""
    if action.public:
        return
    if someone is None:
        raise Unauthenticated("Sign in, or send an API key as `Authorization: Bearer lk_…`.")
    needed = needed_scope(action)
    if needed is not None and not someone.has_scope(needed):
        raise Forbidden(f"This API key lacks the scope {needed.value}.")
    if action.role is Role.ADMIN and not someone.is_admin:
        raise Forbidden(NEEDS_ADMIN)


def needed_scope(action: Action) -> Scope | None:
    """A write that declares no scope needs `admin` from a key."""
    if not action.writes or action.public or action.open_write:
        return None
    return action.needs or Scope.ADMIN


def load_thing(db: Session, action: Action, someone: Principal | None, thing_id: str) -> SQLModel:
    """The thing that `{id}` names, for this principal; NotFound never tells whether it exists elsewhere."""
    assert action.thing is not None and someone is not None
    thing: Any = find_thing(db, action, someone, thing_id) if is_id(thing_id) else None
    if thing is None:
        raise NotFound(f"There is no {noun(action.thing)} {thing_id[:ID_LENGTH]!r} here.")
    if action.owner_only and not someone.is_admin and thing.owner_id != someone.user_id:
        raise Forbidden(f"Only the owner of this {noun(action.thing)}, or an admin, may do that.")
    found: SQLModel = thing
    return found


def find_thing(db: Session, action: Action, someone: Principal, thing_id: str) -> SQLModel | None:
    """The thing, if it is of the principal's organization and the principal may see it."""
    if action.found_by is not None:
        return action.found_by(db, someone, thing_id)
    assert action.thing is not None
    thing: Any = db.get(action.thing, thing_id)
    if thing is None or thing.organization_id != someone.organization_id or not may_see(db, thing, someone):
        return None
    found: SQLModel = thing
    return found


def may_see(db: Session, thing: Any, someone: Principal) -> bool:
    """A private thing is seen by its owner, by admins, and by the team that it is shared with."""
    if someone.is_admin or not getattr(thing, "is_private", False) or thing.owner_id == someone.user_id:
        return True
    team_id = getattr(thing, "shared_with", None)
    return team_id is not None and db.get(TeamMember, (team_id, someone.user_id)) is not None


def noun(model: type[SQLModel]) -> str:
    return str(model.__tablename__).replace("_", " ").replace("api key", "API key")


def is_id(text: str) -> bool:
    """Whether the text could be an id at all: nothing else reaches the database."""
    return 0 < len(text) <= ID_LENGTH and text.isascii() and text.isprintable()

"""What a person looks for here but has in another organization of theirs: the page offers to switch to it.

Only a signed-in person is told, and only of organizations that they belong to; a program never is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlmodel import Session

from app.db import Database
from app.web.action import Action
from app.web.ask import Principal
from app.web.gate import find_thing, is_id


@dataclass(frozen=True, slots=True)
class OwnOrganization:
    """An organization that the asking person belongs to."""

    id: str
    name: str


OrganizationsOf = Callable[[Session, Principal], Sequence[OwnOrganization]]
PrincipalIn = Callable[[Session, Principal, str], Principal | None]


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """`organizations_of` lists a person's organizations; `principal_in` is the person as they stand in one."""

    db: Database
    organizations_of: OrganizationsOf
    principal_in: PrincipalIn

    def organizations(self, me: Principal) -> Sequence[OwnOrganization]:
        """Those of the person, for the menu of a whole page."""
        with self.db.read() as db:
            return self.organizations_of(db, me)

    def of_thing(self, action: Action, me: Principal, thing_id: str) -> OwnOrganization | None:
        """The other organization of this person in which they may see the thing."""
        if me.session_id is None or action.thing is None or action.found_by is not None or not is_id(thing_id):
            return None
        with self.db.read() as db:
            thing: Any = db.get(action.thing, thing_id)
            there = self.principal_in(db, me, thing.organization_id) if thing is not None else None
            if there is None or find_thing(db, action, there, thing_id) is None:
                return None
            return OwnOrganization(there.organization_id, there.organization_name)

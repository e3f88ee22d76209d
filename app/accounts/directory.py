"""Where organizations, memberships and invitations are kept: here alone, or at an identity provider and mirrored here.

A directory carries out one whole change: it asks the provider, if there is one, and writes our rows and the event in
one transaction. Relay handlers await it with their `ask`; it never decides who may ask for the change.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from app.web.action import Role
from app.web.ask import Ask


@dataclass(frozen=True, slots=True)
class Invited:
    """An invitation that was made or sent again. `link` is for the inviter to hand over, once; None: it was mailed."""

    id: str
    link: str | None


class Directory(Protocol):
    """What both kinds can do. The organization is the one that `ask` acts in.

    Each raises Conflict or Invalid where our rules forbid the change (the last admin stays one), and Unavailable,
    nothing being changed here, where the provider can't be reached.
    """

    async def create_organization(self, ask: Ask, name: str) -> str:
        """Make an organization with the asking person as its first admin; returns our id of it."""

    async def rename_organization(self, ask: Ask, name: str) -> None: ...

    async def invite(self, ask: Ask, email: str, role: Role) -> Invited: ...

    async def resend(self, ask: Ask, invitation_id: str) -> Invited:
        """Send it again, with its full time before it."""

    async def revoke(self, ask: Ask, invitation_id: str) -> None: ...

    async def set_role(self, ask: Ask, membership_id: str, role: Role) -> None: ...

    async def remove_member(self, ask: Ask, membership_id: str) -> None:
        """End the membership: its sessions there and its keys are dead at once. Leaving is removing oneself."""

"""What the members' Actions answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from app.accounts.models import Membership, User
from app.accounts.teams.models import Team
from app.web.action import Role
from app.web.ask import Principal


@dataclass(frozen=True, slots=True)
class MemberView:
    """A person in the organization. `id` is the membership's, `user_id` what owners and actors are named by."""

    id: str
    user_id: str
    name: str
    email: str | None
    role: Role
    joined_at: datetime

    @classmethod
    def of(cls, member: Membership, user: User) -> MemberView:
        return cls(member.id, user.id, user.name, user.email, member.role, member.created_at)


@dataclass(frozen=True, slots=True)
class TeamRef:
    id: str
    name: str


@dataclass(frozen=True, slots=True)
class MemberMay:
    """What whoever asks may do with the member. `reason`: why the last admin can't go."""

    change_role: bool
    remove: bool
    reason: str | None


@dataclass(frozen=True, slots=True)
class MemberDetail(MemberView):
    teams: list[TeamRef]
    may: MemberMay

    @classmethod
    def whole(
        cls, member: Membership, user: User, *, me: Principal, teams: Sequence[Team], only_admin: bool
    ) -> MemberDetail:
        reason = "The organization's last admin stays; make somebody else an admin first." if only_admin else None
        own = user.id == me.user_id
        return cls(
            member.id,
            user.id,
            user.name,
            user.email,
            member.role,
            member.created_at,
            [TeamRef(t.id, t.name) for t in teams],
            MemberMay(me.is_admin and not only_admin, (me.is_admin or own) and not only_admin, reason),
        )

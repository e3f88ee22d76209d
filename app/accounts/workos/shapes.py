"""The fields of WorkOS's answers that are read here, and no others."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import AwareDatetime, BaseModel, StringConstraints

from app.accounts.providers.protocol import Person, RemoteMembership
from app.web.action import Role

RemoteId = Annotated[str, StringConstraints(min_length=1, max_length=100)]
Code = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$")]
ADMIN = "admin"  # the role's slug at WorkOS; every other is a member


class CursorShape(BaseModel):
    after: str | None = None


class ListShape(BaseModel):
    """One page of a list, its items unread."""

    data: list[Any]
    list_metadata: CursorShape = CursorShape()


class RefusalShape(BaseModel):
    """An error of WorkOS: `code` and `message`, or OAuth's `error` and `error_description` (RFC 6749, 5.2)."""

    code: Code | None = None
    message: Any = None
    error: str | None = None
    error_description: str | None = None

    @property
    def word(self) -> str | None:
        if self.code and self.message:
            return self.code
        return self.error if self.error_description else None


class UserShape(BaseModel):
    id: RemoteId
    email: Annotated[str, StringConstraints(strip_whitespace=True, to_lower=True, max_length=254)]
    email_verified: bool = False
    first_name: str | None = None
    last_name: str | None = None

    @property
    def person(self) -> Person:
        full = " ".join(filter(None, (self.first_name, self.last_name))).strip()
        printable = "".join(c for c in full if c.isprintable())[:100].strip()
        return Person(self.id, self.email, self.email_verified, printable)


class OrganizationShape(BaseModel):
    id: RemoteId
    name: str

    @property
    def shown(self) -> str:
        return "".join(c for c in self.name if c.isprintable()).strip()[:100] or self.id


class RoleShape(BaseModel):
    slug: str


class MembershipShape(BaseModel):
    id: RemoteId
    user_id: RemoteId
    organization_id: RemoteId
    role: RoleShape
    status: str = "active"

    def named(self, organization_name: str) -> RemoteMembership:
        return RemoteMembership(self.id, self.organization_id, organization_name, role_of(self.role.slug))


class InvitationShape(BaseModel):
    id: RemoteId
    email: Annotated[str, StringConstraints(strip_whitespace=True, to_lower=True, max_length=254)]
    state: str
    organization_id: str | None = None
    role_slug: str | None = None
    created_at: AwareDatetime
    expires_at: AwareDatetime

    @property
    def role(self) -> Role:
        return role_of(self.role_slug or "")

    def is_pending(self, now: datetime) -> bool:
        return self.state == "pending" and self.expires_at > now


class AuthenticationShape(BaseModel):
    user: UserShape
    organization_id: str | None = None
    access_token: str
    refresh_token: str


class SessionShape(BaseModel):
    id: RemoteId
    status: str = "active"


class KeySetShape(BaseModel):
    keys: list[dict[str, Any]]


class EventShape(BaseModel):
    """A webhook's body."""

    id: Annotated[str, StringConstraints(min_length=1, max_length=255)]
    event: Annotated[str, StringConstraints(min_length=1, max_length=100)]
    data: dict[str, Any]
    created_at: datetime | None = None


def role_of(slug: str) -> Role:
    return Role.ADMIN if slug == ADMIN else Role.MEMBER


def slug_of(role: Role) -> str:
    return ADMIN if role is Role.ADMIN else "member"

"""What the accounts' Actions answer."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from app.accounts import commands
from app.accounts.models import SignInSession
from app.web.action import Role, Scope
from app.web.ask import Principal


@dataclass(frozen=True, slots=True)
class Owner:
    id: str
    name: str
    email: str | None


@dataclass(frozen=True, slots=True)
class OrganizationView:
    id: str
    name: str


@dataclass(frozen=True, slots=True)
class Me:
    """Who asks: the person, the organization they act in, and what the credential may write."""

    id: str
    name: str
    email: str | None
    role: Role
    organization: OrganizationView
    via: str  # session | key
    scopes: list[Scope] | None  # null for a session, which scopes do not bind

    @classmethod
    def of(cls, me: Principal) -> Me:
        return cls(
            me.user_id,
            me.name,
            me.email,
            me.role,
            OrganizationView(me.organization_id, me.organization_name),
            "key" if me.key_id else "session",
            None if me.scopes is None else sorted(me.scopes),
        )


@dataclass(frozen=True, slots=True)
class SessionView:
    """`ip` is where it was signed in from, `last_seen_ip` where it was last used."""

    id: str
    created_at: datetime
    last_seen_at: datetime
    expires_at: datetime
    ip: str
    last_seen_ip: str
    user_agent: str
    current: bool

    @classmethod
    def of(cls, s: SignInSession, me: Principal) -> SessionView:
        return cls(
            s.id, s.created_at, s.last_seen_at, s.expires_at, s.ip, s.last_seen_ip or s.ip, s.user_agent,
            current=s.id == me.session_id,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class SettingsView:
    """The settings page: what a person is called, and what this server is."""

    me: Me
    provider: str
    database: str
    version: str


@dataclass(frozen=True, slots=True)
class SignInView:
    """The sign-in page. `state`: `ready` (a usable link), `dead` (a used or expired one), `none` (no link).

    `provider`: the one to go to, None where links are all there is. `problem`: a sentence about what went wrong.
    """

    state: str
    token: str
    name: str
    next: str
    provider: str | None
    problem: str | None

    @property
    def command(self) -> str:
        """What prints a new link."""
        return commands.sign_in_link()

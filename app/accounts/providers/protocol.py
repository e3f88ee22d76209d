"""What a way of signing in has to do. Local sign-in and WorkOS do it; plain OpenID Connect would be a third.

A provider says who somebody is. It never decides what they may do here, and the session is always ours.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol, runtime_checkable

from sqlmodel import Session

from app.accounts.models import User
from app.web.action import Role


class Reason(StrEnum):
    """Why a sign-in came to nothing; the sign-in page has a sentence for each."""

    DENIED = "denied"
    EXPIRED = "expired"  # too late, or used before
    MISMATCHED = "mismatched"  # the state is not the one that this browser began with
    UNREACHABLE = "unreachable"
    NO_ORGANIZATION = "no-organization"
    UNVERIFIED = "unverified"
    REFUSED = "refused"


PROBLEMS = {
    Reason.DENIED: "{provider} did not let you in. Try again, or ask an administrator there.",
    Reason.EXPIRED: "This sign-in took longer than ten minutes, or was used already. Begin again.",
    Reason.MISMATCHED: "This sign-in was begun in another tab or browser. Begin again here.",
    Reason.UNREACHABLE: "{provider} can't be reached, so nobody can sign in right now. Who is signed in stays so.",
    Reason.NO_ORGANIZATION: "You are in no organization yet. Ask an admin to invite you, then sign in again.",
    Reason.UNVERIFIED: "{provider} has not verified your email address yet. Verify it there, then sign in again.",
    Reason.REFUSED: "{provider} answered with something that can't be trusted, so you are not signed in. Begin again.",
}


class SignInRefused(Exception):
    """Nobody is signed in. The text is for the log."""

    def __init__(self, reason: Reason, why: str = "") -> None:
        super().__init__(why or reason.value)
        self.reason = reason


class ProviderUnreachable(Exception):
    """The provider gave no answer, or one that says it can't: nothing follows from it about anybody."""


class SessionOver(Exception):
    """The provider says that the session which was to be renewed has ended."""


@dataclass(frozen=True, slots=True)
class Departure:
    """Where a browser goes to prove who it is. `state` and `verifier` come back with it; empty: it stays here."""

    url: str
    state: str = ""
    verifier: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Person:
    """A person as the provider knows them. `subject` is the provider's id, which never changes."""

    subject: str
    email: str
    email_verified: bool
    name: str


@dataclass(frozen=True, slots=True)
class RemoteMembership:
    """A membership that is kept at the provider; the ids are the provider's."""

    id: str
    organization_id: str
    organization_name: str
    role: Role


@dataclass(frozen=True, slots=True)
class Tokens:
    """What renews a session. `expires_at` is the access token's end; the token itself is of no use here."""

    session_id: str  # the provider's
    refresh_token: str = field(repr=False)
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Arrival:
    """Somebody who came back and is who they say. `organization_id`: the one that they chose there, if any."""

    person: Person
    memberships: tuple[RemoteMembership, ...]
    organization_id: str | None
    tokens: Tokens


class Provider(Protocol):
    @property
    def name(self) -> str:
        """As identities keep it: `local`, `workos`."""

    @property
    def label(self) -> str:
        """As people read it."""

    async def depart(self, going_to: str, login_hint: str) -> Departure:
        """Where to sign in, and then go on to `going_to`, one of our own paths. Raises SignInRefused."""


@runtime_checkable
class RemoteProvider(Provider, Protocol):
    """A provider that a browser is sent to and comes back from."""

    @property
    def trouble(self) -> str | None:
        """A sentence while the provider can't be reached."""

    async def arrive(self, code: str, verifier: str, *, ip: str, user_agent: str) -> Arrival:
        """Exchange the code that the browser came back with. Raises SignInRefused."""

    def take_in(self, db: Session, arrival: Arrival, now: datetime) -> User | None:
        """Make our rows say what the provider said of them; None for somebody who belongs to nothing here."""

    def organization_id(self, db: Session, external_id: str) -> str | None:
        """Our id of an organization that is kept at the provider."""

    def renew(self, refresh_token: str) -> Tokens:
        """Blocking. Raises SessionOver or ProviderUnreachable."""

    def is_alive(self, subject: str, session_id: str) -> bool:
        """Whether the provider still lists the session. Blocking. Raises ProviderUnreachable."""

    def end_session(self, session_id: str) -> None:
        """End it at the provider; one that has ended is no error. Blocking. Raises ProviderUnreachable."""

    def close(self) -> None:
        """Close the connections to it."""

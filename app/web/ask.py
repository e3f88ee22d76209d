"""What a handler is given: who asks, with what, through which door, and the session in which to answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, TypeVar

import anyio.to_thread
from sqlmodel import Session

from app.settings import Settings
from app.site import Site
from app.web.action import Action, Role, Scope
from app.web.problems import Forbidden

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """Who asks, and how they signed in. `scopes` is None for a session, which scopes do not bind."""

    user_id: str
    organization_id: str
    organization_name: str
    role: Role
    name: str
    email: str | None
    scopes: frozenset[Scope] | None = None
    key_id: str | None = None
    session_id: str | None = None

    @property
    def is_admin(self) -> bool:
        return self.role is Role.ADMIN

    def has_scope(self, scope: Scope) -> bool:
        return self.scopes is None or Scope.ADMIN in self.scopes or scope in self.scopes

    @property
    def identity(self) -> str:
        """What idempotency keys and rate limits are counted by."""
        return self.key_id or self.user_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Who did something, as the event table keeps it."""

    organization_id: str
    kind: str  # user | key | system
    user_id: str | None = None
    name: str = "Lattice"
    key_id: str | None = None
    ip: str | None = None
    request_id: str | None = None

    @classmethod
    def of(cls, me: Principal, *, ip: str, request_id: str) -> Actor:
        return cls(
            organization_id=me.organization_id,
            kind="key" if me.key_id else "user",
            user_id=me.user_id,
            name=me.name or me.email or "admin",
            key_id=me.key_id,
            ip=ip,
            request_id=request_id,
        )

    @classmethod
    def system(cls, organization_id: str) -> Actor:
        return cls(organization_id=organization_id, kind="system")


@dataclass(slots=True, kw_only=True)
class NewCookie:
    """A session to begin (`session_id`) or to end (None) in the browser that asked."""

    session_id: str | None
    max_age: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherCookie:
    """A cookie beside the session's, for our paths under `path`; `value` None takes it away. Never read by scripts."""

    value: str | None
    path: str
    max_age: int = 0


@dataclass(frozen=True, slots=True)
class AfterCommit(Generic[T]):
    """A write's value that is made after its commit, so that other writers don't wait for it meanwhile.

    `id` is the thing's; `tell` makes the value and reads nothing from the database.
    """

    id: str
    tell: Callable[[], T]


@dataclass(frozen=True, slots=True)
class FromStore(Generic[T]):
    """A read's value that is made of what the store holds, once the request's session and thread are free again.

    `id` is the thing's; `tell` makes the value in a thread of the store's and reads nothing from the database.
    `otherwise` is the value where the store fails, or takes longer than `seconds`; without it, that is a 503.
    """

    id: str
    tell: Callable[[], T]
    otherwise: T | None = None
    seconds: float | None = None


@dataclass(slots=True, kw_only=True)
class Ask:
    site: Site
    action: Action
    db: Session
    now: datetime
    html: bool
    path: Mapping[str, str]
    url: str  # path and query as asked
    ip: str
    user_agent: str
    request_id: str
    someone: Principal | None
    query: Any = None
    headers: Any = None
    cookies: Mapping[str, str] = field(default_factory=dict)
    sent: bytes = b""  # the body as it came, for what is signed
    cookie: NewCookie | None = None
    other_cookies: dict[str, OtherCookie] = field(default_factory=dict)
    notice: str | None = None  # a sentence that the next page, or this one, shows once
    next: str | None = None  # one of our own paths, where HTML goes after this write
    to_wake: set[str] = field(default_factory=set)

    @property
    def principal(self) -> Principal:
        """The signed-in principal; on a public action, ask `someone` instead."""
        if self.someone is None:
            raise Forbidden("this needs a signed-in person")
        return self.someone

    @property
    def settings(self) -> Settings:
        return self.site.settings

    @property
    def organization_id(self) -> str:
        return self.principal.organization_id

    @property
    def actor(self) -> Actor:
        return Actor.of(self.principal, ip=self.ip, request_id=self.request_id)

    async def reading(self, work: Callable[[Session], T]) -> T:
        """Run `work` in a thread with a read session; for relay handlers, whose own `db` is closed."""
        return await anyio.to_thread.run_sync(self._in_session, self.site.db.read, work)

    async def writing(self, work: Callable[[Session], T]) -> T:
        """Run `work` in a thread in one write transaction."""
        return await anyio.to_thread.run_sync(self._in_session, self.site.db.write, work)

    def _in_session(self, opened: Callable[[], AbstractContextManager[Session]], work: Callable[[Session], T]) -> T:
        with opened() as db:
            return work(db)

    def wake(self, worker: str) -> None:
        """Wake that worker once this request's transaction is committed."""
        self.to_wake.add(worker)

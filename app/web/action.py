"""An Action is one row that says everything about an operation: routing, access, bodies, answers, page.

The tables made of them are the map of the system: routing, the Gate, OpenAPI, `tests/access.txt` and the pages read
them and nothing else. `check` stops the program at start when a table contradicts itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from pydantic import BaseModel
from sqlmodel import SQLModel

from app.web.query import HeaderFields, Query

Handler = Callable[..., Any]


class Scope(StrEnum):
    """What an API key may write. A session is not bound by scopes."""

    ADMIN = "admin"
    COMPUTE_WRITE = "compute:write"
    NODEPOOLS_WRITE = "nodepools:write"
    STORAGE_WRITE = "storage:write"
    REGISTRIES_WRITE = "registries:write"


class Role(StrEnum):
    ADMIN = "admin"
    MEMBER = "member"


class Kind(StrEnum):
    """How the handler runs.

    `plain`: synchronous, in a thread, with the database and nothing else.
    `relay`: asynchronous, may call one remote peer (web/peer.py); its database work is `await ask.reading(...)` and
        `await ask.writing(...)`, so that no transaction is open while the peer answers.
    `stream`: returns an EventStream, which holds no database connection.
    """

    PLAIN = "plain"
    RELAY = "relay"
    STREAM = "stream"


class Mount(StrEnum):
    BOTH = "both"
    HTML = "html"  # pages that mean nothing to a program
    JSON = "json"  # what a browser never shows
    API_ONLY_PATH = "api"  # once, under /api/v1, but answering as HTML does (sign-in's callback)


class Limit(StrEnum):
    """What is counted and bounded; web/limits.py has how much and of whom."""

    WRITES = "writes"  # every write that names no other
    SIGN_IN = "sign-in"
    KEY_FAILURES = "key-failures"
    DEVICE_CODES = "device-codes"
    DEVICE_POLLS = "device-polls"
    USER_CODES = "user-codes"
    LOG_SEARCHES = "log-searches"


@dataclass(frozen=True, slots=True)
class Action:
    """One operation.

    `method`, `path`: the path is without mount, with `{id}` for a thing.
    `handler`: `(ask)`, `(ask, thing)`, `(ask, body)` or `(ask, thing, body)`, as `thing` and `body` below say; its
        return annotation is the answer's shape.
    `thing`: the model that `{id}` names; the Gate loads it and checks organization, visibility and owner.
    `found_by`: `(db, principal, id)` finds the thing instead, where it is not one of the principal's organization.
    `owner_only`: a member must own the thing (role admin may always).
    `needs`: the scope that an API key must have. A write without it needs `admin` from a key.
    `role`: the role that the principal must have.
    `public`: for anybody, signed in or not.
    `open_write`: a write that any key or session may do, whatever its scopes (none but sign-out and the like).
    `body`, `query`, `headers`: pydantic models; `yaml` reads an `application/yaml` body into the body's plain values.
    `body_required`: when false, no body at all is an empty one.
    `forms`: the JSON mount takes the body as a form too, as OAuth's endpoints must.
    `limit`: how often it may be asked; a write without it counts among all writes of whoever asks.
    `page`: the template of the HTML face; on a write it is rendered instead of a redirect.
    `form`: the GET path of the page that shows the body's mistakes; without one, a write's `page` does.
    `then`: where HTML goes after a write: a path with `{id}`; None: to the thing, or to the list after DELETE.
    `sends`: header fields of its answer that programs need, with what each says.
    `also`: statuses that it may answer besides those that follow from the other columns.
    `media`: the content type of the answer where it is not JSON; several with a comma between.
    """

    method: str
    path: str
    handler: Handler
    thing: type[SQLModel] | None = None
    found_by: Callable[..., SQLModel | None] | None = None
    owner_only: bool = False
    needs: Scope | None = None
    role: Role | None = None
    public: bool = False
    open_write: bool = False
    body: type[BaseModel] | None = None
    query: type[Query] | None = None
    yaml: Callable[[bytes], Mapping[str, Any]] | None = None
    body_required: bool = True
    forms: bool = False
    limit: Limit | None = None
    page: str | None = None
    form: str | None = None
    then: str | None = None
    status: int = 200
    kind: Kind = Kind.PLAIN
    mount: Mount = Mount.BOTH
    headers: type[HeaderFields] | None = None
    sends: Mapping[str, str] = field(default_factory=dict)
    also: tuple[int, ...] = ()
    media: str | None = None
    summary: str = ""

    @property
    def writes(self) -> bool:
        return self.method not in {"GET", "HEAD"}

    @property
    def counts_as(self) -> Limit | None:
        return self.limit or (Limit.WRITES if self.writes else None)

    @property
    def name(self) -> str:
        return self.handler.__name__

    @property
    def on_html(self) -> bool:
        return self.mount in {Mount.BOTH, Mount.HTML}

    @property
    def on_api(self) -> bool:
        return self.mount is not Mount.HTML


class InconsistentTable(Exception):
    """Two rows, or two columns of a row, contradict each other. The program does not start."""


def check(actions: Iterable[Action]) -> tuple[Action, ...]:
    """Return the actions, or raise InconsistentTable naming the first row that is wrong."""
    rows = tuple(actions)
    seen: set[tuple[str, str, str]] = set()
    pages = {a.path for a in rows if a.method == "GET" and a.page}
    for row in rows:
        for wrong, why in _contradictions(row, pages):
            if wrong:
                raise InconsistentTable(f"{row.method} {row.path}: {why}")
        for face in ("html",) * row.on_html + ("api",) * row.on_api:
            key = (face, row.method, re.sub(r"{\w+}", "{}", row.path))
            if key in seen:
                raise InconsistentTable(f"{row.method} {row.path}: stands twice")
            seen.add(key)
    return rows


def _contradictions(row: Action, pages: set[str]) -> Iterable[tuple[bool, str]]:
    yield row.method not in {"GET", "POST", "PUT", "PATCH", "DELETE"}, "unknown method"
    yield row.public and bool(row.needs or row.role or row.owner_only), "public, and yet it asks for a right"
    yield row.owner_only and row.thing is None, "owner_only without a thing to own"
    yield row.found_by is not None and row.thing is None, "found_by without a thing to find"
    yield row.thing is not None and "{id}" not in row.path, "a thing, but no {id} in the path"
    yield row.thing is None and "{id}" in row.path, "{id} in the path, but no thing"
    yield not row.writes and row.needs is not None, "a read that needs a scope: keys without scopes read"
    yield not row.writes and row.body is not None, "a read with a body"
    yield row.open_write and bool(row.needs or row.role), "open_write, and yet it asks for a right"
    yield row.form is not None and row.form not in pages, f"its form {row.form} is not a page"
    yield row.on_html and not row.writes and not (row.page or row.media), "on the HTML mount without a page"
    yield not row.writes and row.status != 200 and row.kind is Kind.PLAIN, "a read answers 200"

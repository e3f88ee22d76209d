"""One request while it is in the house: what it asks, who asks, and what has been found out on the way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from pydantic import BaseModel
from sqlmodel import Session
from starlette.requests import Request
from starlette.responses import Response

from app.db import utcnow
from app.web.action import Action
from app.web.ask import Ask, FromStore, Principal
from app.web.bodies import Received, validated
from app.web.fields import own_path
from app.web.forms import FormFields
from app.web.gate import find_thing, load_thing
from app.web.idempotency import Claim
from app.web.identify import CookieCredential, Credential, asked_from
from app.web.streams import ByteStream, EventStream

if TYPE_CHECKING:
    from app.web.serve import Endpoint


@dataclass(frozen=True, slots=True)
class Relayed:
    """A call that the Gate let in and that goes on in the event loop."""

    ask: Ask
    arguments: list[Any]
    claim: Claim | None


@dataclass(frozen=True, slots=True)
class Waiting:
    """An answer for which the store is read first; `finish` makes it of what was read, in a thread."""

    value: FromStore[Any]
    finish: Callable[[Any], Response]


Stream = EventStream | ByteStream
Result = Response | Stream | Relayed | Waiting


class Visit:
    """It is in one thread at a time. `action` and `me` are None until they are known."""

    def __init__(self, endpoint: Endpoint, request: Request, received: Received) -> None:
        self.endpoint = endpoint
        self.house = endpoint.house
        self.html = endpoint.html
        self.request = request
        self.received = received
        self.form: FormFields | None = None
        self.now = utcnow()
        self.ip = asked_from(request.scope)
        self.me: Principal | None = None
        self.rates: dict[str, str] = {}
        self.action: Action | None = None
        self.cookie_is_dead = False

    @property
    def credential(self) -> Credential:
        found: Credential = self.request.scope["lattice.credential"]
        return found

    @property
    def request_id(self) -> str:
        return str(self.request.scope.get("lattice.request_id", ""))

    @property
    def address(self) -> str:
        """The path and query that were asked for."""
        query = self.request.url.query
        return self.request.url.path + (f"?{query}" if query else "")

    def filled_in(self, path: str) -> str:
        return path.replace("{id}", self.request.path_params.get("id", ""))

    def identify(self, db: Session) -> Principal | None:
        """Who asks. A dead cookie is nobody's, and is taken away with the answer."""
        if self.credential is None:
            return None
        self.me = self.house.find(db, self.credential, self.now)
        self.cookie_is_dead = self.me is None and isinstance(self.credential, CookieCredential)
        return self.me

    def thing(self, db: Session, action: Action) -> Any:
        """The thing of the Action's path, which whoever asks is let in to; None where the path has none."""
        return load_thing(db, action, self.me, self.request.path_params["id"]) if action.thing else None

    def ask(self, action: Action, db: Session, *, address: str | None = None) -> Ask:
        """What the Action's handler is given. `address`: of the page to draw, where it is not the one asked for."""
        request = self.request
        address = address or self.address
        return Ask(
            site=self.house.site,
            action=action,
            db=db,
            now=self.now,
            html=self.html,
            path=request.path_params,
            url=address,
            ip=self.ip,
            user_agent=request.headers.get("user-agent", "")[:300],
            request_id=self.request_id,
            someone=self.me,
            query=self._query(action, address),
            headers=validated(action.headers, request.headers) if action.headers else None,
            cookies=request.cookies,
            sent=self.received.data,
            next=own_path(self.form.first("_next")) if self.form else None,
        )

    def _query(self, action: Action, address: str) -> BaseModel | None:
        """A page leaves out what it does not know, and fields that were sent empty."""
        if action.query is None:
            return None
        known = {field.alias or name for name, field in action.query.model_fields.items()}
        sent = parse_qsl(address.partition("?")[2], keep_blank_values=True)
        values = {name: value for name, value in sent if not self.html or (name in known and value != "")}
        return validated(action.query, values)

    def still_stands(self) -> bool:
        """Whether whoever asked is still who they were, where they were and in that role, and still sees the thing."""
        if self.me is None or self.action is None:
            return True
        with self.house.site.db.read() as db:
            me = self.house.find(db, self.credential, utcnow())
            if me is None or (me.organization_id, me.role) != (self.me.organization_id, self.me.role):
                return False
            return not self.action.thing or find_thing(db, self.action, me, self.request.path_params["id"]) is not None


def arguments(action: Action, thing: Any, body: BaseModel | None) -> list[Any]:
    """What a handler is given after the Ask."""
    return ([thing] if action.thing else []) + ([body] if action.body else [])

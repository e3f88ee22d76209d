"""One request on its way through the house: who asks, whether they may, the body, the handler, the answer.

A read happens in one read session. A write looks up who asks in a read session, then does its work in one write
transaction; workers are woken after its commit.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import anyio.to_thread
from pydantic import BaseModel
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.exc import TimeoutError as NoConnectionFree
from sqlmodel import Session
from starlette.requests import Request
from starlette.responses import Response

from app.db import utcnow
from app.web import answer, cookies, idempotency
from app.web.action import Action, Kind, Limit, Mount, Role
from app.web.answer import wants_fragment
from app.web.ask import Actor, AfterCommit, Ask, Principal
from app.web.bodies import Received, build_body, check_media, read_form, validated
from app.web.elsewhere import OwnOrganization
from app.web.fields import own_path
from app.web.forms import Form, FormFields
from app.web.gate import admit, find_thing, load_thing
from app.web.identify import COOKIE, CookieCredential, Credential, KeyCredential, asked_from, has_key
from app.web.origin import is_same_origin, require_same_origin
from app.web.problems import (
    BadRequest,
    Conflict,
    Forbidden,
    MethodNotAllowed,
    NotFound,
    Problem,
    Unauthenticated,
    Unavailable,
)
from app.web.refusals import Attempt
from app.web.streams import ByteStream, EventStream

if TYPE_CHECKING:
    from app.web.serve import Endpoint

log = logging.getLogger("lattice.web")
NOTICE = "lattice_notice"  # a signed sentence about the write before, shown once
KEY_IN_ADDRESS = (
    "An API key does not belong in an address, where logs and histories keep it: send it as "
    "`Authorization: Bearer lk_…`, and revoke this one."
)
FORM_STATUSES = {400, 409, 422}


def database_unavailable() -> Unavailable:
    return Unavailable("The database can't be reached or is busy; try again.", headers={"Retry-After": "2"})


@dataclass(frozen=True, slots=True)
class Relayed:
    """A call that the Gate let in and that goes on in the event loop."""

    ask: Ask
    arguments: list[Any]
    claim: idempotency.Claim | None


Result = Response | EventStream | ByteStream | Relayed


class Exchange:
    """One request on its way through the house, in one thread at a time."""

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

    def respond(self) -> Result:
        try:
            result = self._respond()
        except Exception as error:
            result = self._refuse(error)
        if isinstance(result, Response) and self.cookie_is_dead:
            result.delete_cookie(COOKIE, path="/")
        return self._with_rates(result) if isinstance(result, Response) else result

    def _with_rates(self, response: Response) -> Response:
        for name, value in self.rates.items():
            response.headers.setdefault(name, value)
        return response

    async def relay(self, relayed: Relayed) -> Response:
        ask = relayed.ask
        try:
            value = await ask.action.handler(ask, *relayed.arguments)
            if relayed.claim is not None:
                await ask.writing(partial(relayed.claim.keep, thing_id=value.id, now=self.now))
            for worker in ask.to_wake:
                self.house.site.wake(worker)
            return self._with_rates(await anyio.to_thread.run_sync(self._finish, ask, value))
        except Exception as error:
            return self._with_rates(await anyio.to_thread.run_sync(self._refuse_write, ask.action, error))

    def _refuse(self, error: Exception) -> Response:
        """The answer to what went wrong; anything unforeseen is raised again, and answered at the edge."""
        if isinstance(error, Problem):
            self._note_refusal(error)
            return self.endpoint.problem(self.request, error, self.me, self._offer(error))
        if isinstance(error, IntegrityError):
            log.warning("a unique value was taken between check and insert", exc_info=error)
            return self.endpoint.problem(self.request, Conflict("Something with that name was just made."), self.me)
        if isinstance(error, (OperationalError, NoConnectionFree)):
            log.error("the database did not answer", exc_info=error)
            return self.endpoint.problem(self.request, database_unavailable(), None)
        raise error

    def _offer(self, problem: Problem) -> OwnOrganization | None:
        """For a page that is not here: the organization of this person's in which it is."""
        if not (isinstance(problem, NotFound) and self.html and self.me and self.action and self.action.thing):
            return None
        return self.house.elsewhere.of_thing(self.action, self.me, self.request.path_params["id"])

    def _note_refusal(self, problem: Problem) -> None:
        """A refused attempt of somebody who is known, at a write or at what only admins see, goes into the trail."""
        action = self.action
        if not isinstance(problem, Forbidden) or self.me is None or action is None:
            return
        if not (action.writes or action.role is Role.ADMIN):
            return
        by = Actor.of(self.me, ip=self.ip, request_id=self.request.scope.get("lattice.request_id", ""))
        subject = self.request.path_params.get("id") or self.me.organization_id
        attempt = Attempt(method=action.method, path=action.path, subject=subject, why=problem.detail)
        try:
            self.house.refusals.note(by, self.me.identity, attempt, self.now)
        except (OperationalError, NoConnectionFree) as error:
            log.error(
                "a refused %s %s of %s is not in the trail",
                action.method,
                action.path,
                self.me.identity,
                exc_info=error,
            )

    def _refuse_write(self, action: Action, error: Exception) -> Response:
        if isinstance(error, Problem) and self.html and error.status in FORM_STATUSES:
            if action.form:
                return self._form_again(action, error)
            if action.page:
                return self._own_page(action, error)
        return self._refuse(error)

    def _respond(self) -> Result:
        if (form := self._form_in_its_place()) is not None:
            return answer.redirect(self.request, form)
        action = self.action = self._action()
        credential: Credential = self.request.scope["lattice.credential"]
        if has_key(self.request.url.query):
            raise BadRequest(KEY_IN_ADDRESS)
        with self.house.site.db.read() as db:
            self.me = self._principal(db, credential)
            if isinstance(credential, KeyCredential) and self.me is None:
                self._count(Limit.KEY_FAILURES)
                raise Unauthenticated("The API key is unknown, expired or revoked.")
            admit(action, self.me)
            if action.writes and not isinstance(credential, KeyCredential):
                self._check_origin(action)
            self._count(action.counts_as)
            thing = load_thing(db, action, self.me, self.request.path_params["id"]) if action.thing else None
            if not action.writes and action.kind is not Kind.RELAY:
                ask = self._ask(action, db)
                value = self._call(ask, thing, None)
                return value if isinstance(value, (EventStream, ByteStream)) else self._finish(ask, value)
        return self._write(action, thing)

    def _check_origin(self, action: Action) -> None:
        """Only our own pages may ask for what changes something for a browser; nobody from elsewhere is nobody."""
        if self.me is not None or self.html:
            require_same_origin(self.request)
        elif action.mount is Mount.API_ONLY_PATH and not is_same_origin(self.request):
            raise Unauthenticated("Nobody is signed in here.")

    def _count(self, limit: Limit | None) -> None:
        """Raises TooManyRequests when whoever asks has had enough."""
        if limit is not None:
            identity = self.me.identity if self.me else None
            self.rates = self.house.limits.count(limit, identity=identity, ip=self.ip)

    def _form_in_its_place(self) -> str | None:
        """Where the address of a form's answer is opened itself, as a reload after a mistake does: the form's page."""
        if not self.html or self.request.method not in {"GET", "HEAD"} or "GET" in self.endpoint.actions:
            return None
        form = next((action.form for action in self.endpoint.actions.values() if action.form), None)
        return form and self._filled_in(form)

    def _filled_in(self, path: str) -> str:
        return path.replace("{id}", self.request.path_params.get("id", ""))

    def _action(self) -> Action:
        method = self.request.method
        if self.html and method == "POST" and self.received.is_form:
            self.form = read_form(self.received, self.request.headers.get("content-type", ""))
            wanted = (self.form.first("_method") or "POST").upper()
            method = wanted if wanted in {"PATCH", "PUT", "DELETE"} else method
            if self.received.too_large and method not in self.endpoint.actions:
                method = next((m for m in self.endpoint.actions if m != "GET"), method)  # its 413 comes in its turn
        action = self.endpoint.actions.get("GET" if method == "HEAD" else method)
        if action is None:
            allowed = sorted(self.endpoint.actions) + ["HEAD"] * ("GET" in self.endpoint.actions)
            raise MethodNotAllowed(
                f"{method[:20]} is not possible here; {', '.join(allowed)} is.", headers={"Allow": ", ".join(allowed)}
            )
        return action

    def _principal(self, db: Session, credential: Credential) -> Principal | None:
        if credential is None:
            return None
        found = self.house.find(db, credential, self.now)
        self.cookie_is_dead = found is None and isinstance(credential, CookieCredential)
        return found

    def still_stands(self) -> bool:
        """Whether whoever asked is still who they were, where they were and in that role, and still sees the thing."""
        if self.me is None or self.action is None:
            return True
        with self.house.site.db.read() as db:
            me = self.house.find(db, self.request.scope["lattice.credential"], utcnow())
            if me is None or (me.organization_id, me.role) != (self.me.organization_id, self.me.role):
                return False
            return not self.action.thing or find_thing(db, self.action, me, self.request.path_params["id"]) is not None

    def _ask(self, action: Action, db: Session) -> Ask:
        request = self.request
        query = request.url.query
        return Ask(
            site=self.house.site,
            action=action,
            db=db,
            now=self.now,
            html=self.html,
            path=request.path_params,
            url=request.url.path + (f"?{query}" if query else ""),
            ip=self.ip,
            user_agent=request.headers.get("user-agent", "")[:300],
            request_id=request.scope.get("lattice.request_id", ""),
            someone=self.me,
            query=self._query(action),
            headers={name: request.headers[name] for name in action.headers if name in request.headers},
            cookies=request.cookies,
            sent=self.received.data,
            next=own_path(self.form.first("_next")) if self.form else None,
        )

    def _query(self, action: Action) -> BaseModel | None:
        if action.query is None:
            return None
        known = {field.alias or name for name, field in action.query.model_fields.items()}
        values: dict[str, Any] = {}
        for name, value in self.request.query_params.multi_items():
            if (self.html and name not in known) or (self.html and value == ""):
                continue
            values[name] = value
        return validated(action.query, values)

    def _call(self, ask: Ask, thing: Any, body: BaseModel | None) -> Any:
        return ask.action.handler(ask, *self._arguments(ask.action, thing, body))

    def _arguments(self, action: Action, thing: Any, body: BaseModel | None) -> list[Any]:
        return ([thing] if action.thing else []) + ([body] if action.body else [])

    def _write(self, action: Action, thing: Any) -> Result:
        try:
            self._check_form(action)
            if action.writes:
                check_media(action, self.received, html=self.html)
            body = build_body(action, self.received, self.form if self.html else None)
            if action.kind is Kind.RELAY:
                return self._relayed(action, self._arguments(action, thing, body))
            return self._carry_out_once(action, body)
        except Problem as problem:
            return self._refuse_write(action, problem)

    def _relayed(self, action: Action, arguments: list[Any]) -> Result:
        """A relay's Idempotency-Key is looked at before the peer is called, and kept after its change is made."""
        claim = self._claim(action)
        if claim is not None:
            with self.house.site.db.write() as db:
                ask = self._ask(action, db)
                earlier = claim.earlier(db, self.now)
                if earlier is not None:
                    return self._replayed(self._finish(ask, self._replay(ask, earlier)))
        return Relayed(self._ask(action, Session()), arguments, claim)

    def _check_form(self, action: Action) -> None:
        """A form that was rendered for another organization is refused, so that a stale tab can't write there."""
        rendered_for = self.form.first("_organization") if self.form else None
        if self.me and rendered_for and rendered_for != self.me.organization_id:
            raise Conflict("This page was opened for another organization; reload it and try again.")

    def _carry_out_once(self, action: Action, body: BaseModel | None) -> Response:
        """Two at once under one Idempotency-Key: the second meets the first's row and then answers as a replay."""
        claim = self._claim(action)
        try:
            return self._carry_out(action, body, claim)
        except IntegrityError:
            if claim is None:
                raise
            return self._carry_out(action, body, claim)

    def _carry_out(self, action: Action, body: BaseModel | None, claim: idempotency.Claim | None) -> Response:
        with self.house.site.db.write() as db:
            ask = self._ask(action, db)
            thing = load_thing(db, action, self.me, self.request.path_params["id"]) if action.thing else None
            earlier = claim.earlier(db, self.now) if claim else None
            if earlier is not None:
                value = self._replay(ask, earlier)
            else:
                value = self._call(ask, thing, body)
                if claim:
                    claim.keep(db, value.id, self.now)
        for worker in ask.to_wake:
            self.house.site.wake(worker)
        response = self._finish(ask, value.tell() if isinstance(value, AfterCommit) else value)
        return response if earlier is None else self._replayed(response)

    def _replayed(self, response: Response) -> Response:
        response.headers["Idempotency-Replayed"] = "true"
        return response

    def _claim(self, action: Action) -> idempotency.Claim | None:
        if action.method != "POST" or action.status != 201 or self.me is None:
            return None
        return idempotency.claim_of(
            self.request.headers.get(idempotency.HEADER),
            identity=f"{self.me.organization_id} {self.me.identity}",
            method="POST",
            path=self.request.url.path.removeprefix(answer.API),
            body=self.received.content_type.encode() + b"\n" + self.received.data,
        )

    def _replay(self, ask: Ask, thing_id: str) -> Any:
        """The thing as it is now, from the Action that shows it."""
        show = self.house.actions["GET", answer.collection_of(ask.action) + "/{id}"]
        return show.handler(ask, load_thing(ask.db, show, self.me, thing_id))

    def _form_again(self, action: Action, problem: Problem) -> Response:
        page = self.house.actions["GET", str(action.form)]
        with self.house.site.db.read() as db:
            ask = self._ask(page, db)
            ask.url = self._filled_in(page.path)
            thing = load_thing(db, page, self.me, self.request.path_params["id"]) if page.thing else None
            value = self._call(ask, thing, None)
            form = self._rejected(action, problem)
            assert page.page is not None
            response = self.house.html.page(self.request, ask, page.page, value, status=problem.status, form=form)
            response.headers["HX-Replace-Url"] = quote(ask.url, safe=answer.URL_SAFE)  # that a reload shows the form
            return response

    def _own_page(self, action: Action, problem: Problem) -> Response:
        """A write that is answered by a page, and comes from no form of its own, has its mistakes on that page."""
        ask, form = self._ask(action, Session()), self._rejected(action, problem)
        return self.house.html.page(self.request, ask, str(action.page), None, status=problem.status, form=form)

    def _rejected(self, action: Action, problem: Problem) -> Form:
        return Form.rejected(self.form or FormFields({}), problem, action.body)

    def _finish(self, ask: Ask, value: Any) -> Response:
        action = ask.action
        noticed = self._notice(ask)
        if not self.html and action.mount is not Mount.API_ONLY_PATH:
            response = answer.json_answer(ask, action, value)
        elif action.page and (not action.writes or value is not None):
            response = self.house.html.page(self.request, ask, action.page, value, status=action.status, form=None)
        else:
            response = self.house.html.after_write(self.request, ask, action, value)
        self._set_cookies(response, ask)
        if ask.notice and response.status_code in {204, 303}:
            response.set_cookie(
                NOTICE,
                self.house.notice_signer.sign(ask.notice),
                max_age=60,
                httponly=True,
                samesite="lax",
                secure=self.house.site.settings.secure_cookies,
            )
        elif noticed:
            response.delete_cookie(NOTICE, path="/")
        response.headers.update(ask.answer_headers)
        return response

    def _notice(self, ask: Ask) -> bool:
        """Take the notice that the write before left for this page; whether there was one."""
        if not self.html or wants_fragment(self.request) or NOTICE not in self.request.cookies:
            return False
        ask.notice = ask.notice or self.house.notice_signer.read(self.request.cookies[NOTICE])
        return True

    def _set_cookies(self, response: Response, ask: Ask) -> None:
        secure = self.house.site.settings.secure_cookies
        if ask.cookie is not None:
            self.cookie_is_dead = False
            cookies.set_session(response, ask.cookie, self.house.signer, secure=secure)
        for name, cookie in ask.other_cookies.items():
            cookies.set_other(response, name, cookie, secure=secure)

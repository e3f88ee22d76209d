"""One request on its way through the house: who asks, whether they may, then the read, or the write.

A read happens in one read session. A write looks up who asks in a read session, then does its work in one write
transaction (app/web/write.py). What the store has to say is asked for when neither is open.
"""

from __future__ import annotations

import logging
from functools import partial
from typing import Any

import anyio.to_thread
from starlette.responses import Response

from app.stores.objects import StoreError
from app.web import answer
from app.web.action import Action, Kind, Limit, Mount
from app.web.ask import FromStore
from app.web.bodies import read_form
from app.web.finish import finish
from app.web.gate import admit
from app.web.identify import COOKIE, KeyCredential, has_key
from app.web.origin import is_same_origin, require_same_origin
from app.web.problems import BadRequest, MethodNotAllowed, Unauthenticated, Unavailable
from app.web.refuse import refuse
from app.web.visit import Relayed, Result, Stream, Visit, Waiting, arguments
from app.web.write import relay, write

log = logging.getLogger("lattice.web")
KEY_IN_ADDRESS = (
    "An API key does not belong in an address, where logs and histories keep it: send it as "
    "`Authorization: Bearer lk_…`, and revoke this one."
)


def respond(visit: Visit) -> Result:
    """The answer, or what goes on in the event loop: a stream, or what `go_on` takes."""
    try:
        result = _respond(visit)
    except Exception as error:
        result = refuse(visit, error)
    if not isinstance(result, Response):
        return result
    if visit.cookie_is_dead:
        result.delete_cookie(COOKIE, path="/")
    return _with_rates(visit, result)


async def go_on(visit: Visit, begun: Relayed | Waiting) -> Response | Stream:
    """The part in the event loop: of a relay, and of an answer that waits for the store."""
    result: Response | Stream | Waiting = await relay(visit, begun) if isinstance(begun, Relayed) else begun
    if isinstance(result, Waiting):
        result = await _told(visit, result)
    return _with_rates(visit, result) if isinstance(result, Response) else result


async def _told(visit: Visit, waiting: Waiting) -> Response | Stream:
    try:
        value = await _from_store(visit, waiting.value)
        return value if isinstance(value, Stream) else await anyio.to_thread.run_sync(waiting.finish, value)
    except Exception as error:
        return await anyio.to_thread.run_sync(refuse, visit, error)


async def _from_store(visit: Visit, value: FromStore[Any]) -> Any:
    try:
        return await visit.house.site.store.call(value.tell, value.seconds)
    except (StoreError, Unavailable) as error:
        if value.otherwise is None:
            raise
        if isinstance(error, StoreError):  # of a deadline the peer itself has told the log
            log.warning("answered without what the store holds: %s", error)
        return value.otherwise


def _with_rates(visit: Visit, response: Response) -> Response:
    for name, value in visit.rates.items():
        response.headers.setdefault(name, value)
    return response


def _respond(visit: Visit) -> Result:
    if (form := _form_in_its_place(visit)) is not None:
        return answer.redirect(visit.request, form)
    action = visit.action = _action(visit)
    if has_key(visit.request.url.query):
        raise BadRequest(KEY_IN_ADDRESS)
    with visit.house.site.db.read() as db:
        by_key = isinstance(visit.credential, KeyCredential)
        if visit.identify(db) is None and by_key:
            _count(visit, Limit.KEY_FAILURES)
            raise Unauthenticated("The API key is unknown, expired or revoked.")
        admit(action, visit.me)
        if action.writes and not by_key:
            _check_origin(visit, action)
        _count(visit, action.counts_as)
        thing = visit.thing(db, action)
        if not action.writes and action.kind is not Kind.RELAY:
            ask = visit.ask(action, db)
            value = action.handler(ask, *arguments(action, thing, None))
            if isinstance(value, FromStore):
                return Waiting(value, partial(finish, visit, ask))
            return value if isinstance(value, Stream) else finish(visit, ask, value)
    return write(visit, action, thing)


def _form_in_its_place(visit: Visit) -> str | None:
    """Where the address of a form's answer is opened itself, as a reload after a mistake does: the form's page."""
    if not visit.html or visit.request.method not in {"GET", "HEAD"} or "GET" in visit.endpoint.actions:
        return None
    form = next((action.form for action in visit.endpoint.actions.values() if action.form), None)
    return form and visit.filled_in(form)


def _action(visit: Visit) -> Action:
    """By the method, or by `_method` in a page's form; 405 where the path has none."""
    method, actions = visit.request.method, visit.endpoint.actions
    if visit.html and method == "POST" and visit.received.is_form:
        visit.form = read_form(visit.received, visit.request.headers.get("content-type", ""))
        wanted = (visit.form.first("_method") or "POST").upper()
        method = wanted if wanted in {"PATCH", "PUT", "DELETE"} else method
        if visit.received.too_large and method not in actions:
            method = next((m for m in actions if m != "GET"), method)  # its 413 comes in its turn
    action = actions.get("GET" if method == "HEAD" else method)
    if action is None:
        allowed = ", ".join(sorted(actions) + ["HEAD"] * ("GET" in actions))
        raise MethodNotAllowed(f"{method[:20]} is not possible here, only {allowed}.", headers={"Allow": allowed})
    return action


def _check_origin(visit: Visit, action: Action) -> None:
    """Only our own pages may ask for what changes something for a browser; nobody from elsewhere is nobody."""
    if visit.me is not None or visit.html:
        require_same_origin(visit.request)
    elif action.mount is Mount.API_ONLY_PATH and not is_same_origin(visit.request):
        raise Unauthenticated("Nobody is signed in here.")


def _count(visit: Visit, limit: Limit | None) -> None:
    """Raises TooManyRequests when whoever asks has had enough."""
    if limit is not None:
        identity = visit.me.identity if visit.me else None
        visit.rates = visit.house.limits.count(limit, identity=identity, ip=visit.ip)

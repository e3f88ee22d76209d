"""A write: its form and body are read, then its work is done in one write transaction, once for an Idempotency-Key.

Workers are woken, and the answer is made, after the commit. A relay goes on in the event loop, in `relay`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import anyio.to_thread
from pydantic import BaseModel
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session
from starlette.responses import Response

from app.web import answer, idempotency
from app.web.action import Action, Kind
from app.web.ask import AfterCommit, Ask
from app.web.bodies import build_body, check_media
from app.web.finish import finish
from app.web.gate import admit, load_thing
from app.web.idempotency import Claim
from app.web.problems import Conflict, Problem, Unauthenticated
from app.web.refuse import refuse_write
from app.web.visit import Relayed, Result, Visit, Waiting, arguments


def write(visit: Visit, action: Action, thing: Any) -> Result:
    try:
        _check_organization(visit)
        if action.writes:
            check_media(action, visit.received, html=visit.html)
        body = build_body(action, visit.received, visit.form if visit.html else None)
        if action.kind is Kind.RELAY:
            return _once(visit, action, partial(_begin_relay, visit, action, arguments(action, thing, body)))
        return _once(visit, action, partial(_carry_out, visit, action, body))
    except Problem as problem:
        return refuse_write(visit, action, problem)


async def relay(visit: Visit, relayed: Relayed) -> Response | Waiting:
    response: Response | Waiting
    ask, thing_id = relayed.ask, None
    try:
        value = await ask.action.handler(ask, *relayed.arguments)
        thing_id = value.id if relayed.claim is not None else None
        _wake(visit, ask)
        response = await anyio.to_thread.run_sync(finish, visit, ask, value)
    except Exception as error:
        response = await anyio.to_thread.run_sync(refuse_write, visit, ask.action, error)
    finally:
        if relayed.claim is not None:
            await ask.writing(partial(relayed.claim.end, thing_id=thing_id))
    return response


def _check_organization(visit: Visit) -> None:
    """A form that was rendered for another organization is refused, so that a stale tab can't write there."""
    rendered_for = visit.form.first("_organization") if visit.form else None
    if visit.me and rendered_for and rendered_for != visit.me.organization_id:
        raise Conflict("This page was opened for another organization; reload it and try again.")


def _once(visit: Visit, action: Action, work: Callable[[Claim | None], Result]) -> Result:
    """Two at once under one Idempotency-Key: the second meets the first's row, and then answers as a replay."""
    claim = _claim(visit, action)
    try:
        return work(claim)
    except IntegrityError:
        if claim is None:
            raise
        return work(claim)


def _begin_relay(visit: Visit, action: Action, arguments: list[Any], claim: Claim | None) -> Result:
    """A relay's Idempotency-Key is taken before the peer is called, so that no other calls it under the same one."""
    if claim is not None:
        with visit.house.site.db.write() as db:
            ask = visit.ask(action, db)
            earlier = claim.earlier(db, visit.now)
            if earlier is not None:
                return _replayed(finish(visit, ask, _thing_now(visit, ask, earlier)))
            claim.begin(db, visit.now)
    return Relayed(visit.ask(action, Session()), arguments, claim)


def _carry_out(visit: Visit, action: Action, body: BaseModel | None, claim: Claim | None) -> Response:
    with visit.house.site.db.write() as db:
        _admit_again(visit, action, db)
        ask = visit.ask(action, db)
        thing = visit.thing(db, action)
        earlier = claim.earlier(db, visit.now) if claim else None
        if earlier is not None:
            value = _thing_now(visit, ask, earlier)
        else:
            value = action.handler(ask, *arguments(action, thing, body))
            if claim:
                claim.keep(db, value.id, visit.now)
    _wake(visit, ask)
    response = finish(visit, ask, value.tell() if isinstance(value, AfterCommit) else value)
    return response if earlier is None else _replayed(response)


def _admit_again(visit: Visit, action: Action, db: Session) -> None:
    """A write may have waited for others, which took the right away that it was let in with."""
    before = visit.me
    if visit.identify(db) is None and before is not None:
        raise Unauthenticated("The session or API key was ended a moment ago.")
    admit(action, visit.me)


def _wake(visit: Visit, ask: Ask) -> None:
    for worker in ask.to_wake:
        visit.house.site.wake(worker)


def _claim(visit: Visit, action: Action) -> Claim | None:
    if action.method != "POST" or action.status != 201 or visit.me is None:
        return None
    return idempotency.claim_of(
        visit.request.headers.get(idempotency.HEADER),
        identity=f"{visit.me.organization_id} {visit.me.identity}",
        method="POST",
        path=visit.request.url.path.removeprefix(answer.API),
        body=visit.received.content_type.encode() + b"\n" + visit.received.data,
    )


def _thing_now(visit: Visit, ask: Ask, thing_id: str) -> Any:
    """What a replay answers: the thing as it is now, from the Action that shows it."""
    show = visit.house.actions["GET", answer.collection_of(ask.action) + "/{id}"]
    return show.handler(ask, load_thing(ask.db, show, visit.me, thing_id))


def _replayed(response: Response) -> Response:
    response.headers["Idempotency-Replayed"] = "true"
    return response

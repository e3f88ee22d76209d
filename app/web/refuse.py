"""From what went wrong to the answer: a problem in its face, or the form again with what was typed and the mistakes."""

from __future__ import annotations

import logging
from contextlib import suppress
from functools import partial
from typing import Any
from urllib.parse import quote

from sqlalchemy.exc import IntegrityError
from sqlmodel import Session
from starlette.responses import Response

from app.db import NOT_REACHED
from app.stores.objects import StoreError
from app.web import answer
from app.web.action import Action, Role
from app.web.ask import Actor, Ask, FromStore
from app.web.elsewhere import OwnOrganization
from app.web.fields import own_path
from app.web.forms import Form, FormFields
from app.web.problems import Conflict, Forbidden, NotFound, Problem, Unavailable
from app.web.refusals import Attempt
from app.web.visit import Visit, Waiting, arguments

log = logging.getLogger("lattice.web")
FORM_STATUSES = {400, 409, 422}


def database_unavailable() -> Unavailable:
    return Unavailable("The database can't be reached or is busy; try again.", headers={"Retry-After": "2"})


def store_unavailable() -> Unavailable:
    return Unavailable("The store of the logs can't be read now; try again.", headers={"Retry-After": "5"})


def refuse(visit: Visit, error: Exception) -> Response:
    """The answer to what went wrong; anything unforeseen is raised again, and answered at the edge."""
    if isinstance(error, Problem):
        _note(visit, error)
        return visit.endpoint.problem(visit.request, error, visit.me, _offer(visit, error))
    if isinstance(error, IntegrityError):
        log.warning("a unique value was taken between check and insert", exc_info=error)
        return visit.endpoint.problem(visit.request, Conflict("Something with that name was just made."), visit.me)
    if isinstance(error, NOT_REACHED):
        log.error("the database did not answer", exc_info=error)
        return visit.endpoint.problem(visit.request, database_unavailable(), None)
    if isinstance(error, StoreError):
        log.error("the store failed", exc_info=error)
        return visit.endpoint.problem(visit.request, store_unavailable(), visit.me)
    raise error


def refuse_write(visit: Visit, action: Action, error: Exception) -> Response | Waiting:
    """The same for a write; a mistake in a form is shown in it."""
    if isinstance(error, Problem) and visit.html and error.status in FORM_STATUSES:
        if action.form:
            return _form_again(visit, action, error)
        if action.page:
            return _own_page(visit, action, error)
    return refuse(visit, error)


def _offer(visit: Visit, problem: Problem) -> OwnOrganization | None:
    """For a page that is not here: the organization of this person's in which it is."""
    if not (isinstance(problem, NotFound) and visit.html and visit.me and visit.action and visit.action.thing):
        return None
    return visit.house.elsewhere.of_thing(visit.action, visit.me, visit.request.path_params["id"])


def _note(visit: Visit, problem: Problem) -> None:
    """A refused attempt of somebody who is known, at a write or at what only admins see, goes into the trail."""
    action = visit.action
    if not isinstance(problem, Forbidden) or visit.me is None or action is None:
        return
    if not (action.writes or action.role is Role.ADMIN):
        return
    by = Actor.of(visit.me, ip=visit.ip, request_id=visit.request_id)
    subject = visit.request.path_params.get("id") or visit.me.organization_id
    attempt = Attempt(method=action.method, path=action.path, subject=subject, why=problem.detail)
    try:
        visit.house.refusals.note(by, visit.me.identity, attempt, visit.now)
    except NOT_REACHED as error:
        who, what = visit.me.identity, f"{action.method} {action.path}"
        log.error("a refused %s of %s is not in the trail", what, who, exc_info=error)


def _form_again(visit: Visit, action: Action, problem: Problem) -> Response | Waiting:
    """The form's page, under its own address, where a reload shows the form. A list keeps its filters if it can."""
    page = visit.house.actions["GET", str(action.form)]
    form = _rejected(visit, action, problem)
    address = visit.filled_in(page.path)
    if address == visit.request.url.path:
        address = visit.address
    came_from = own_path(visit.form.first("_next")) if visit.form else None
    if came_from and came_from.partition("?")[0] == visit.filled_in(page.path):
        with suppress(Problem):
            return _page_with(visit, page, came_from, form, problem.status)
    return _page_with(visit, page, address, form, problem.status)


def _page_with(visit: Visit, page: Action, address: str, form: Form, status: int) -> Response | Waiting:
    with visit.house.site.db.read() as db:
        ask = visit.ask(page, db, address=address)
        value = page.handler(ask, *arguments(page, visit.thing(db, page), None))
        draw = partial(_drawn, visit, ask, form, status)
        return Waiting(value, draw) if isinstance(value, FromStore) else draw(value)


def _drawn(visit: Visit, ask: Ask, form: Form, status: int, value: Any) -> Response:
    response = visit.house.html.page(visit.request, ask, str(ask.action.page), value, status=status, form=form)
    response.headers["HX-Replace-Url"] = quote(ask.url, safe=answer.URL_SAFE)
    return response


def _own_page(visit: Visit, action: Action, problem: Problem) -> Response:
    """A write that is answered by a page, and comes from no form of its own, has its mistakes on that page."""
    ask, form = visit.ask(action, Session()), _rejected(visit, action, problem)
    return visit.house.html.page(visit.request, ask, str(action.page), None, status=problem.status, form=form)


def _rejected(visit: Visit, action: Action, problem: Problem) -> Form:
    return Form.rejected(visit.form or FormFields({}), problem, action.body)

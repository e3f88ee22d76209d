"""From Action tables to Starlette routes: one flat route a path and mount, with a table of methods behind it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from app.web import answer
from app.web.action import Action, check
from app.web.edge import Face
from app.web.problems import MethodNotAllowed, NotFound, Problem
from app.web.serve import Endpoint, House


class Named:
    """Notes the route's pattern for the metrics, then goes on."""

    def __init__(self, app: ASGIApp, pattern: str) -> None:
        self.app = app
        self.pattern = pattern

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["lattice.route"] = self.pattern
        await self.app(scope, receive, send)


def routes_of(house: House, actions: Iterable[Action]) -> list[BaseRoute]:
    """`/api/v1` first, then the HTML mount. Fixed paths stand before `{id}`, so that `/jobs/new` is not a job."""
    rows = check(actions)
    house.actions = {(a.method, a.path): a for a in rows}
    api = [_route(house, answer.API + p, table, html=False) for p, table in _by_path(rows, html=False)]
    pages = [_route(house, p, table, html=True) for p, table in _by_path(rows, html=True)]
    return [*api, *pages]


def _by_path(rows: Iterable[Action], *, html: bool) -> list[tuple[str, dict[str, Action]]]:
    tables: dict[str, dict[str, Action]] = {}
    for row in rows:
        if row.on_html if html else row.on_api:
            tables.setdefault(row.path, {})[row.method] = row
    return sorted(tables.items(), key=lambda item: (item[0].count("{"), item[0]))


def _route(house: House, path: str, table: dict[str, Action], *, html: bool) -> Route:
    return Route(path, Named(Endpoint(house, table, html=html), path))


def refuse(house: House) -> Callable[[Request, Exception], Awaitable[Response]]:
    """Starlette's own refusals (no such address, no such method on a plain route) in the face of the mount asked."""

    face = face_of(house)

    async def answer_it(request: Request, wrong: Exception) -> Response:
        assert isinstance(wrong, HTTPException)
        return face(request, _problem_of(request, wrong))

    return answer_it


def face_of(house: House) -> Face:
    """A problem of nobody in particular, in the face of the mount asked."""

    def drawn(request: Request, problem: Problem) -> Response:
        endpoint = Endpoint(house, {}, html=not request.scope["path"].startswith(answer.API))
        return endpoint.problem(request, problem, None)

    return drawn


def _problem_of(request: Request, wrong: HTTPException) -> Problem:
    if wrong.status_code != 405:
        return NotFound("There is nothing at this address.")
    headers = dict(wrong.headers or {"Allow": "GET, HEAD"})
    return MethodNotAllowed(f"{request.method[:20]} is not possible here, only {headers['Allow']}.", headers=headers)

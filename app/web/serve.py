"""What answers a path: a table from method to Action, and what all of them share.

It receives the body within its limit, sends the request through the house in one hop to a thread, and the answer out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial

import anyio.to_thread
from sqlmodel import Session
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Send
from starlette.types import Scope as AsgiScope

from app.site import Site
from app.web import answer
from app.web.action import Action
from app.web.answer import HtmlAnswer
from app.web.ask import Principal
from app.web.bodies import Received, receive_body
from app.web.elsewhere import Elsewhere, OwnOrganization
from app.web.exchange import go_on, respond
from app.web.identify import CookieSigner, Credential, KeyCredential
from app.web.limits import Limits
from app.web.problems import Problem, Unauthenticated
from app.web.refusals import Refusals
from app.web.streaming import OpenStreams, head_alone, streamed
from app.web.visit import Relayed, Stream, Visit, Waiting

FindPrincipal = Callable[[Session, Credential, datetime], Principal | None]


class House:
    """What all routes share: the site, how principals are found, how pages are drawn, and every Action by face."""

    def __init__(
        self, site: Site, find: FindPrincipal, html: HtmlAnswer, signer: CookieSigner, elsewhere: Elsewhere
    ) -> None:
        self.site = site
        self.find = find
        self.html = html
        self.signer = signer
        self.limits = Limits(site.db, site.settings.lattice_rate_limits)
        self.elsewhere = elsewhere
        self.refusals = Refusals(site.db)
        self.streams = OpenStreams()
        self.notice_signer = CookieSigner(site.cookie_passwords, "notice")
        self.actions: dict[tuple[str, str], Action] = {}


class Endpoint:
    """The ASGI app of one path on one mount: a table from method to Action."""

    def __init__(self, house: House, actions: Mapping[str, Action], *, html: bool) -> None:
        self.house = house
        self.actions = dict(actions)
        self.html = html

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        response = await self._answer(request)
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        received = Received("", b"")
        if request.method not in {"GET", "HEAD", "OPTIONS"}:
            try:
                received = await receive_body(request, self.house.site.settings.lattice_body_limit)
            except Problem as problem:
                return self.problem(request, problem, None)
        visit = Visit(self, request, received)
        result = await anyio.to_thread.run_sync(respond, visit)
        if isinstance(result, Relayed | Waiting):
            result = await go_on(visit, result)
        return self._stream(visit, result) if isinstance(result, Stream) else result

    def _stream(self, visit: Visit, stream: Stream) -> Response:
        if visit.request.method == "HEAD":
            return head_alone(stream)
        try:
            entered = self.house.streams.enter(visit.me.user_id if visit.me else "")
        except Problem as problem:
            return self.problem(visit.request, problem, visit.me)
        stands = partial(anyio.to_thread.run_sync, visit.still_stands)
        return streamed(stream, stands, entered)

    def problem(
        self, request: Request, problem: Problem, me: Principal | None, offer: OwnOrganization | None = None
    ) -> Response:
        """The problem in this mount's face. `offer`: the organization of theirs in which what they look for is."""
        request_id = request.scope.get("lattice.request_id", "")
        if not self.html:
            return answer.problem_json(problem, request_id)
        if isinstance(problem, Unauthenticated) and not isinstance(request.scope["lattice.credential"], KeyCredential):
            return answer.to_sign_in(request)  # a dead key is no better there
        return self.house.html.problem(request, problem, me, request_id, offer)

"""Turn a handler's value, or a Problem, into bytes: a page, one block of it, a redirect, or JSON.

The page of a thing and its JSON are the same value. Which face is asked for follows from the mount and htmx's headers.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any
from urllib.parse import quote

import orjson
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from app.web.action import Action
from app.web.ask import Ask, Principal
from app.web.elsewhere import OwnOrganization
from app.web.fields import own_path
from app.web.forms import Form
from app.web.pages import Pages
from app.web.problems import (
    Forbidden,
    Gone,
    NotFound,
    Problem,
    TooLarge,
    TooManyRequests,
    Unauthenticated,
    Unavailable,
)
from app.web.streams import Text

API = "/api/v1"
URL_SAFE = "%/:=&?~#+!$,;'@()*[]"  # what stands in addresses as it is
VARY = "HX-Request, HX-Request-Type, HX-Target, Cookie"
SEEN_NO_MORE = (Forbidden, NotFound, Gone)  # the page that goes on refreshing a part of itself is another now
WORTH_ANOTHER_TRY = (TooLarge, TooManyRequests, Unavailable)  # what was typed can be sent again, if it is still there
JSON_OPTIONS = orjson.OPT_UTC_Z | orjson.OPT_NAIVE_UTC | orjson.OPT_NON_STR_KEYS


def dumps(value: object) -> bytes:
    return orjson.dumps(value, default=_plain, option=JSON_OPTIONS)


def _plain(value: object) -> object:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, (frozenset, set, tuple)):
        return sorted(value)
    raise TypeError(f"not an answer: {type(value).__name__}")


def json_answer(ask: Ask, action: Action, value: Any) -> Response:
    if isinstance(value, Text):
        return Response(value.data, media_type=value.media, headers=dict(value.headers))
    if action.status == 204:
        return Response(status_code=204)
    response = Response(dumps(value), action.status, media_type="application/json")
    if action.status == 201:
        response.headers["Location"] = f"{API}{thing_path(action, value)}"
    return response


def collection_of(action: Action) -> str:
    return action.path.split("/{id}")[0]


def thing_path(action: Action, value: Any) -> str:
    return f"{collection_of(action)}/{value.id}"


def wants_fragment(request: Request) -> bool:
    return "hx-request" in request.headers and request.headers.get("hx-request-type") == "partial"


def is_refresh(request: Request) -> bool:
    """Whether a part of a page asks for itself anew."""
    return request.method in {"GET", "HEAD"} and wants_fragment(request)


def target_block(request: Request) -> str | None:
    """The block that htmx will put the answer in: `HX-Target: div#job-rows` asks for the block `job_rows`."""
    target = request.headers.get("hx-target", "")
    _, _, element_id = target.rpartition("#")
    return element_id.replace("-", "_") or None


class HtmlAnswer:
    """The HTML face. `form` carries a rejected form back into its page."""

    def __init__(self, pages: Pages, organizations: Callable[[Principal], Sequence[OwnOrganization]]) -> None:
        self.pages = pages
        self.organizations = organizations  # of a person, read only when a whole page is drawn

    def _context(self, request: Request, me: Principal | None, **more: Any) -> dict[str, Any]:
        of_me = partial(self.organizations, me) if me else list
        return self.pages.context(path=request.url.path, me=me, organizations=of_me, **more)

    def page(self, request: Request, ask: Ask, name: str, value: Any, *, status: int, form: Form | None) -> Response:
        if isinstance(value, Text):
            return Response(value.data, media_type=value.media, headers=dict(value.headers))
        context = self._context(request, ask.someone, url=ask.url, value=value, form=form, ask=ask)
        block = target_block(request) if wants_fragment(request) else None
        if block and self.pages.has_block(name, block):
            body = self.pages.block(name, block, context)
        else:
            body = self.pages.page(name, context)
        return Response(body, status, media_type="text/html", headers={"Vary": VARY})

    def after_write(self, request: Request, ask: Ask, action: Action, value: Any) -> Response:
        return redirect(request, self._next(ask, action, value))

    def _next(self, ask: Ask, action: Action, value: Any) -> str:
        if action.then is not None:
            return ask.next or action.then.replace("{id}", str(ask.path.get("id", "")))
        return collection_of(action) if action.status == 204 else thing_path(action, value)

    def problem(
        self,
        request: Request,
        problem: Problem,
        me: Principal | None,
        request_id: str,
        offer: OwnOrganization | None = None,
    ) -> Response:
        context = self._context(
            request,
            me,
            url=asked(request),
            value=None,
            problem=problem,
            request_id=request_id,
            offer=offer,
            fleeting=is_refresh(request),
        )
        headers = _headers(problem)
        name = "problem-fragment.html" if wants_fragment(request) else "problem.html"
        if is_refresh(request) and isinstance(problem, SEEN_NO_MORE):
            headers["HX-Refresh"] = "true"
        elif keeps_page(request, problem):
            name = "problem-toast.html"
            headers |= {"HX-Retarget": "#toasts", "HX-Reswap": "innerHTML", "HX-Push-Url": "false"}
        page = self.pages.page(name, context)
        return Response(page, problem.status, media_type="text/html", headers=headers)


def keeps_page(request: Request, problem: Problem) -> bool:
    """Whether the page stays as it is: a part of it that refreshes itself, which would not come back from a problem in
    its place; or a form, which was not read and can't be drawn again with what was typed.
    """
    sends_form = request.method not in {"GET", "HEAD"} and "hx-request" in request.headers
    return is_refresh(request) or (
        sends_form and not wants_fragment(request) and isinstance(problem, WORTH_ANOTHER_TRY)
    )


def redirect(request: Request, to: str) -> Response:
    """303, or for htmx a 204 that makes it go there. A header holds no letters but ASCII's, so others are escaped."""
    to = quote(to, safe=URL_SAFE)
    if "hx-request" in request.headers:
        return Response(status_code=204, headers={"HX-Location": to})
    return Response(status_code=303, headers={"Location": to})


def asked(request: Request) -> str:
    """The path and query to come back to: the page, or where htmx says that a write was made from; or home."""
    if request.method not in {"GET", "HEAD"}:
        _, _, there = request.headers.get("hx-current-url", "").partition("://")
        return own_path("/" + there.partition("/")[2].partition("#")[0]) or "/"
    return request.url.path + (f"?{request.url.query}" if request.url.query else "")


def to_sign_in(request: Request) -> Response:
    target = asked(request)
    where = "/sign-in" if target == "/" else f"/sign-in?next={quote(target, safe='')}"
    if "hx-request" in request.headers:
        return Response(status_code=204, headers={"HX-Redirect": where})
    return Response(status_code=303, headers={"Location": where})


def problem_json(problem: Problem, request_id: str) -> Response:
    """`application/problem+json` (RFC 9457)."""
    document: dict[str, Any] = {
        "type": "about:blank",
        "title": problem.title,
        "status": problem.status,
        "detail": problem.detail,
        "errors": [dataclasses.asdict(e) for e in problem.errors],
        **problem.members,
    }
    if problem.status >= 500:
        document["request_id"] = request_id
    body = orjson.dumps(document)
    return Response(body, problem.status, media_type="application/problem+json", headers=_headers(problem))


def _headers(problem: Problem) -> dict[str, str]:
    own = {"WWW-Authenticate": "Bearer"} if isinstance(problem, Unauthenticated) else {}
    return {**own, **problem.headers}

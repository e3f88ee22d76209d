"""From a handler's value to the answer: its face, the cookies that go with it, and the notice of the write before."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from app.web import answer, cookies
from app.web.action import Mount
from app.web.answer import wants_fragment
from app.web.ask import Ask
from app.web.visit import Visit

NOTICE = "lattice_notice"  # a signed sentence about the write before, shown once


def finish(visit: Visit, ask: Ask, value: Any) -> Response:
    noticed = _take_notice(visit, ask)
    response = _face(visit, ask, value)
    _set_cookies(visit, ask, response)
    if ask.notice and response.status_code in {204, 303}:
        response.set_cookie(
            NOTICE,
            visit.house.notice_signer.sign(ask.notice),
            max_age=60,
            httponly=True,
            samesite="lax",
            secure=visit.house.site.settings.secure_cookies,
        )
    elif noticed:
        response.delete_cookie(NOTICE, path="/")
    return response


def _face(visit: Visit, ask: Ask, value: Any) -> Response:
    action, html = ask.action, visit.house.html
    if not visit.html and action.mount is not Mount.API_ONLY_PATH:
        return answer.json_answer(ask, action, value)
    if action.page and (not action.writes or value is not None):
        return html.page(visit.request, ask, action.page, value, status=action.status, form=None)
    return html.after_write(visit.request, ask, action, value)


def _take_notice(visit: Visit, ask: Ask) -> bool:
    """Take the notice that the write before left for this page; whether there was one."""
    if not visit.html or wants_fragment(visit.request) or NOTICE not in visit.request.cookies:
        return False
    ask.notice = ask.notice or visit.house.notice_signer.read(visit.request.cookies[NOTICE])
    return True


def _set_cookies(visit: Visit, ask: Ask, response: Response) -> None:
    secure = visit.house.site.settings.secure_cookies
    if ask.cookie is not None:
        visit.cookie_is_dead = False
        cookies.set_session(response, ask.cookie, visit.house.signer, secure=secure)
    for name, cookie in ask.other_cookies.items():
        cookies.set_other(response, name, cookie, secure=secure)

"""The cookies that an answer sets: the signed session, and others beside it. No script ever reads one."""

from __future__ import annotations

from starlette.responses import Response

from app.web.ask import NewCookie, OtherCookie
from app.web.identify import COOKIE, CookieSigner


def set_session(response: Response, cookie: NewCookie, signer: CookieSigner, *, secure: bool) -> None:
    value = None if cookie.session_id is None else signer.sign(cookie.session_id)
    set_other(response, COOKIE, OtherCookie(value=value, path="/", max_age=cookie.max_age), secure=secure)


def set_other(response: Response, name: str, cookie: OtherCookie, *, secure: bool) -> None:
    if cookie.value is None:
        response.delete_cookie(name, path=cookie.path, secure=secure, httponly=True, samesite="lax")
        return
    response.set_cookie(
        name,
        cookie.value,
        max_age=cookie.max_age,
        path=cookie.path,
        secure=secure,
        httponly=True,
        samesite="lax",
    )

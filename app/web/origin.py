"""Cross-site request forgery is refused by the browser's own headers; there are no tokens.

`Sec-Fetch-Site: same-origin` is accepted; without that header, an Origin equal to the request's scheme and Host is.
"""

from __future__ import annotations

from starlette.requests import Request

from app.web.problems import Forbidden


def require_same_origin(request: Request) -> None:
    """Raise Forbidden unless the browser says that one of our own pages sent this write."""
    if not is_same_origin(request):
        raise Forbidden("This request did not come from one of this server's pages, so it was not carried out.")


def is_same_origin(request: Request) -> bool:
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    own = f"{request.url.scheme}://{request.headers.get('host', '')}"
    return request.headers.get("origin", "").lower() == own.lower()

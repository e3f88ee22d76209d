"""Cross-site request forgery is refused by the browser's own headers; there are no tokens.

`Sec-Fetch-Site: same-origin` is accepted; without that header, an Origin equal to the request's scheme and Host is.
"""

from __future__ import annotations

from starlette.requests import Request

from app.web.problems import Forbidden


def require_same_origin(request: Request) -> None:
    """Raise Forbidden unless the browser says that one of our own pages sent this write."""
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        if site == "same-origin":
            return
        raise Forbidden("This request came from another site, so it was not carried out.")
    own = f"{request.url.scheme}://{request.headers.get('host', '')}"
    if request.headers.get("origin", "").lower() != own.lower():
        raise Forbidden("This request did not come from one of this server's pages, so it was not carried out.")

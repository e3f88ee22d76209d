"""Static files under a prefix that changes when any of them does, so that browsers may keep every one for ever.

Style sheets and modules name each other by relative addresses and so stay under the prefix that the page named.
"""

from __future__ import annotations

import hashlib
import re
from functools import cache
from pathlib import Path

from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

STATIC = Path(__file__).parent.parent.parent / "static"
FOREVER = "public, max-age=31536000, immutable"
PREFIX = re.compile(r"[0-9a-f]{12}")


@cache
def digest() -> str:
    """Twelve hexadecimal digits of all names and contents."""
    whole = hashlib.sha256()
    for file in sorted(f for f in STATIC.rglob("*") if f.is_file()):
        whole.update(file.relative_to(STATIC).as_posix().encode() + b"\0" + file.read_bytes())
    return whole.hexdigest()[:12]


def static_url(name: str) -> str:
    return f"/static/{digest()}/{name}"


def static_url_while_editing(name: str) -> str:
    """Without the prefix: asked for again on every load."""
    return f"/static/{name}"


class Static(StaticFiles):
    """`/static/DIGEST/NAME` for ever; `/static/NAME`, and an older page's digest, asked for again."""

    def __init__(self) -> None:
        super().__init__(directory=STATIC)

    async def get_response(self, path: str, scope: Scope) -> Response:
        first, _, rest = path.partition("/")
        response = await super().get_response(rest if PREFIX.fullmatch(first) else path, scope)
        if response.status_code in {200, 304}:
            response.headers["Cache-Control"] = FOREVER if first == digest() else "no-cache"
        return response

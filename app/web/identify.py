"""Parse the credential of a request and verify its signature: no I/O, no judgement. The Gate looks the principal up.

Where a key and a cookie both come, the key alone counts. A dead cookie is nobody; a dead key is 401.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from urllib.parse import parse_qsl

from itsdangerous import BadSignature, URLSafeSerializer
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

COOKIE = "lattice_session"
KEY_PREFIX = "lk_"
LONGEST_ADDRESS = 45
KEY_TEXT = re.compile(r"lk_[\w-]{32}")


@dataclass(frozen=True, slots=True)
class KeyCredential:
    """A presented API key, as its SHA-256; None when what was presented can't be a key. `ip`: from where."""

    digest: str | None
    ip: str = ""


@dataclass(frozen=True, slots=True)
class CookieCredential:
    """A session id whose signature is right; None when the cookie is bent, so that it is cleared. `ip`: from where."""

    session_id: str | None
    ip: str = ""


Credential = KeyCredential | CookieCredential | None


def digest_of(key: str) -> str:
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()


class CookieSigner:
    """Signs a cookie's text with the newest password and accepts all. `purpose` keeps kinds of cookies apart."""

    def __init__(self, passwords: tuple[str, ...], purpose: str = "session") -> None:
        self._serializer = URLSafeSerializer(list(reversed(passwords)), salt=f"lattice.{purpose}")

    def sign(self, text: str) -> str:
        return str(self._serializer.dumps(text))

    def read(self, value: str) -> str | None:
        try:
            text = self._serializer.loads(value)
        except BadSignature:
            return None
        return text if isinstance(text, str) else None


class Identify:
    """ASGI middleware: sets `scope["lattice.credential"]`."""

    def __init__(self, app: ASGIApp, signer: CookieSigner) -> None:
        self.app = app
        self.signer = signer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            scope["lattice.credential"] = self._credential(Headers(scope=scope), asked_from(scope))
        await self.app(scope, receive, send)

    def _credential(self, headers: Headers, ip: str) -> Credential:
        authorization = headers.get("authorization")
        if authorization is not None:
            scheme, _, key = authorization.partition(" ")
            is_key = scheme.lower() == "bearer" and key.startswith(KEY_PREFIX) and len(key) < 200
            return KeyCredential(digest_of(key) if is_key else None, ip)
        value = _cookie(headers.get("cookie", ""))
        return None if value is None else CookieCredential(self.signer.read(value), ip)


def asked_from(scope: Scope) -> str:
    """The client's address; empty where there is none. A proxy may have written anything, so it is cut to fit rows."""
    return str((scope.get("client") or ("",))[0])[:LONGEST_ADDRESS]


def has_key(query: str) -> bool:
    """Whether an API key stands in the address, where logs and histories would keep it."""
    return KEY_PREFIX in query and any(KEY_TEXT.fullmatch(value) for _, value in parse_qsl(query))


def _cookie(header: str) -> str | None:
    for part in header.split(";"):
        name, _, value = part.strip().partition("=")
        if name == COOKIE:
            return value
    return None

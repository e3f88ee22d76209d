"""WorkOS's public keys, with which its access tokens are verified. The last good set is kept."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from app.accounts.providers.protocol import ProviderUnreachable, Reason, SignInRefused
from app.accounts.workos.api import Api, WorkOSRefused
from app.accounts.workos.shapes import KeySetShape

SPARING = 10.0  # seconds between two questions for a key that is not in the set
LEEWAY = 60  # seconds that clocks may differ
ALGORITHMS = ["RS256"]


@dataclass(frozen=True, slots=True)
class Claims:
    subject: str
    session_id: str
    expires_at: datetime


class Keys:
    def __init__(self, api: Api) -> None:
        self._api = api
        self._set: KeySetShape | None = None
        self._asked_at = 0.0
        self._lock = threading.Lock()

    def reach(self) -> None:
        """Ask for the keys anew, which shows whether WorkOS answers. Raises ProviderUnreachable."""
        with self._lock:
            self._ask()

    def verify(self, access_token: str) -> Claims:
        """What the token says, once its signature and its end are seen to be right. Raises SignInRefused."""
        import jwt

        try:
            claims = jwt.decode(
                access_token,
                self._key(jwt.get_unverified_header(access_token).get("kid")),
                algorithms=ALGORITHMS,
                leeway=LEEWAY,
                options={"require": ["exp", "sub", "sid"], "verify_aud": False},
            )
        except jwt.PyJWTError as wrong:
            raise SignInRefused(Reason.REFUSED, f"the access token: {wrong}") from None
        return Claims(str(claims["sub"]), str(claims["sid"]), datetime.fromtimestamp(claims["exp"], UTC))

    def _key(self, kid: str | None) -> Any:
        import jwt

        with self._lock:
            if self._find(kid) is None and time.monotonic() - self._asked_at > SPARING * (self._set is not None):
                self._ask()
            found = self._find(kid)
        if found is None:
            raise SignInRefused(Reason.REFUSED, "the access token is signed by a key that WorkOS does not list")
        return jwt.PyJWK(found).key

    def _find(self, kid: str | None) -> dict[str, Any] | None:
        return next((key for key in (self._set.keys if self._set else []) if key.get("kid") == kid), None)

    def _ask(self) -> None:
        try:
            self._set = self._api.get(KeySetShape, "sso", "jwks", self._api.client_id)
        except WorkOSRefused as refused:
            raise ProviderUnreachable(f"AUTH_CLIENT_ID is not known there: {refused}") from refused
        self._asked_at = time.monotonic()

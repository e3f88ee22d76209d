"""What a browser keeps while it is away at the provider: a signed cookie, for ten minutes.

The provider's answer counts only in the browser that asked, once: the cookie is cleared when the browser comes back.
"""

from __future__ import annotations

import hmac
from dataclasses import asdict, dataclass

from itsdangerous import BadData, URLSafeTimedSerializer

from app.accounts.providers.protocol import Reason, SignInRefused

COOKIE = "lattice_sign_in"
PATH = "/api/v1/auth"
LIFE = 600  # seconds


@dataclass(frozen=True, slots=True)
class RoundTrip:
    """`going_to` is one of our own paths."""

    state: str
    verifier: str
    going_to: str


class RoundTrips:
    """Signs with the newest cookie password and reads with any."""

    def __init__(self, passwords: tuple[str, ...]) -> None:
        self._serializer = URLSafeTimedSerializer(list(reversed(passwords)), salt="lattice.sign-in")

    def sign(self, trip: RoundTrip) -> str:
        return str(self._serializer.dumps(asdict(trip)))

    def returned(self, cookie: str | None, state: str) -> RoundTrip:
        """The trip that this browser is back from. Raises SignInRefused."""
        if cookie is None:
            raise SignInRefused(Reason.EXPIRED, "no cookie of a sign-in under way")
        try:
            trip = RoundTrip(**self._serializer.loads(cookie, max_age=LIFE))
        except (BadData, TypeError) as wrong:
            raise SignInRefused(Reason.EXPIRED, f"the cookie of the sign-in: {wrong}") from None
        if not hmac.compare_digest(trip.state.encode(), state.encode("utf-8", "surrogateescape")):
            raise SignInRefused(Reason.MISMATCHED, "another state than this browser began with")
        return trip

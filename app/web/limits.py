"""How often what may be asked, by a principal or an address: the table of limits, and the refusal that says when again.

A limit is counted before its handler runs and never looks at what was sent. Counting costs no database access.
"""

from __future__ import annotations

import ipaddress
import math
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from limits import RateLimitItem, parse_many
from limits.strategies import FixedWindowRateLimiter

from app.db import Database
from app.settings import SettingsError
from app.web.action import Limit
from app.web.problems import TooManyRequests
from app.web.rates import SharedCounts

LONGEST = 366 * 86_400  # seconds of a window


@dataclass(frozen=True, slots=True)
class Policy:
    """`by_address`: counted for the address also where a principal is known. `noun` completes "Too many …"."""

    default: str
    noun: str
    by_address: bool = True


POLICIES: Mapping[Limit, Policy] = {
    Limit.WRITES: Policy("60000/minute", "changes", by_address=False),
    Limit.SIGN_IN: Policy("60/minute", "tries to sign in from this address"),
    Limit.KEY_FAILURES: Policy("300/minute", "requests with a dead API key from this address"),
    Limit.DEVICE_CODES: Policy("60/minute", "new device codes for this address"),
    Limit.DEVICE_POLLS: Policy("600/minute", "questions about device codes from this address"),
    Limit.USER_CODES: Policy("20/minute", "device codes typed by you", by_address=False),
    Limit.LOG_SEARCHES: Policy("600/minute", "searches of logs", by_address=False),
}


class Limits:
    """`given`: overrides such as `writes=1000/minute`. Raises SettingsError for one that is not understood."""

    def __init__(self, db: Database, given: Iterable[str] = ()) -> None:
        self._items = _items(given)
        steps = {limit.value: max(1, item.amount // 100) for limit, item in self._items.items()}
        self.counts = SharedCounts(db, steps)
        self._strategy = FixedWindowRateLimiter(self.counts)

    def count(self, limit: Limit, *, identity: str | None, ip: str) -> dict[str, str]:
        """Count one request and return the RateLimit header fields of its answer; TooManyRequests if there were enough.

        A refused request is not counted: who goes on asking is let in again when the window ends.
        """
        policy, item = POLICIES[limit], self._items[limit]
        whom = identity if identity and not policy.by_address else address_of(ip)
        if not self._strategy.test(item, whom) or not self._strategy.hit(item, whom):
            raise self._spent(limit, policy, item, whom)
        return self._headers(limit, item, whom)

    def _headers(self, limit: Limit, item: RateLimitItem, whom: str) -> dict[str, str]:
        """The fields of the IETF's draft-ietf-httpapi-ratelimit-headers."""
        reset, remaining = self._strategy.get_window_stats(item, whom)
        seconds = max(1, math.ceil(reset - time.time()))
        return {
            "RateLimit-Policy": f'"{limit}";q={item.amount};w={item.get_expiry()}',
            "RateLimit": f'"{limit}";r={max(0, remaining)};t={seconds}',
        }

    def _spent(self, limit: Limit, policy: Policy, item: RateLimitItem, whom: str) -> TooManyRequests:
        headers = self._headers(limit, item, whom)
        again = headers["RateLimit"].rpartition("t=")[2]
        return TooManyRequests(
            f"Too many {policy.noun}: at most {item.amount:,} in {item.get_expiry():,} s. Try again in {again} s.",
            headers={**headers, "Retry-After": again},
        )


@lru_cache(maxsize=4096)
def address_of(ip: str) -> str:
    """What counts as one address: an IPv4 address, or the /64 that one IPv6 client has to itself."""
    try:
        address = ipaddress.ip_address(ip)
    except ValueError:
        return ip
    if isinstance(address, ipaddress.IPv6Address):
        mapped = address.ipv4_mapped
        return str(mapped) if mapped else str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)


def _items(given: Iterable[str]) -> dict[Limit, RateLimitItem]:
    texts = {limit: policy.default for limit, policy in POLICIES.items()}
    for entry in given:
        name, _, rate = (part.strip() for part in entry.partition("="))
        if name not in set(Limit):
            known = ", ".join(Limit)
            raise SettingsError(f"LATTICE_RATE_LIMITS has {entry!r}, but expected NAME=COUNT/minute for {known}.")
        texts[Limit(name)] = rate
    return {limit: _parsed(limit, rate) for limit, rate in texts.items()}


def _parsed(limit: Limit, rate: str) -> RateLimitItem:
    try:
        (item,) = parse_many(rate)
    except ValueError:
        raise SettingsError(f"LATTICE_RATE_LIMITS has {rate!r} for {limit}, but expected such as 100/minute.") from None
    if item.amount < 1 or not 1 <= item.get_expiry() <= LONGEST:
        raise SettingsError(
            f"LATTICE_RATE_LIMITS has {rate!r} for {limit}, but expected at least 1 in a time of a year at most."
        )
    return type(item)(item.amount, item.multiples, namespace=limit.value)

"""Whether a webhook is WorkOS's: its signature, and its age."""

from __future__ import annotations

import hashlib
import hmac
from datetime import datetime

from app.web.query import HeaderFields

TOLERANCE = 180.0  # seconds
MILLISECONDS_FROM = 10**11  # as seconds that would be the year 5138


class Signed(HeaderFields):
    """`t=<milliseconds>, v1=<hexadecimal HMAC-SHA-256 of "<t>.<body>">`"""

    workos_signature: str = ""


def is_right(header: str, body: bytes, secret: str, now: datetime) -> bool:
    """False for a wrong signature, a malformed one, and one that was made more than TOLERANCE from now."""
    parts = dict(part.strip().partition("=")[::2] for part in header.split(","))
    stamp, given = parts.get("t", ""), parts.get("v1", "")
    if not stamp.isascii() or not stamp.isdecimal() or len(stamp) > 15:
        return False
    expected = hmac.new(secret.encode(), stamp.encode() + b"." + body, hashlib.sha256).hexdigest()
    if not hmac.compare_digest(expected.encode(), given.encode("utf-8", "surrogateescape")):
        return False
    made_at = int(stamp) / 1000 if int(stamp) >= MILLISECONDS_FROM else int(stamp)
    return abs(now.timestamp() - made_at) <= TOLERANCE

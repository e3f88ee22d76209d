"""The code that a person reads off a terminal and types: short, without vowels or look-alikes, whatever its case.

Eight of twenty letters (RFC 8628, section 6.1) are 2.6 × 10^10 codes. At most a few thousand wait at a time, each for
ten minutes, and a person may try twenty a minute: a guess that hits anything takes years.
"""

from __future__ import annotations

import secrets

ALPHABET = "BCDFGHJKLMNPQRSTVWXZ"
LENGTH = 8


def new_user_code() -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))


def shown(code: str) -> str:
    """As a terminal and the page show it: `WDJB-MJHT`."""
    return f"{code[:4]}-{code[4:]}"


def normal(typed: str) -> str | None:
    """The code that somebody typed, without what people put between; None where it can't be one."""
    code = "".join(c for c in typed.upper() if c not in " -–—.")
    return code if len(code) == LENGTH and set(code) <= set(ALPHABET) else None

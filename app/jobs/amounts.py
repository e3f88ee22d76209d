"""Tenths of a CPU or of a GiB, which are exact inside, as the numbers that answers show."""

from __future__ import annotations


def number(tenths: int) -> int | float:
    """40 is 4, 15 is 1.5."""
    return tenths // 10 if tenths % 10 == 0 else tenths / 10


def tenths(amount: float) -> int:
    """4 is 40. Raises ValueError for what is no whole number of tenths, or below one."""
    exact = round(amount * 10)
    if abs(exact - amount * 10) > 1e-6 or exact < 1:
        raise ValueError("Give a number of at least 0.1, in steps of 0.1.")
    return exact

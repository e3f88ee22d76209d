"""The time within an id. Ids sort by creation, so a range of times is a range of ids and needs no index of its own."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

_DIGITS = "0123456789abcdefghjkmnpqrstvwxyz"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LONGEST = 1 << 48  # milliseconds


def created_at(thing_id: str) -> datetime:
    """When that id was made, to the millisecond."""
    number = 0
    for digit in thing_id.rpartition("_")[2]:
        number = number << 5 | _DIGITS.index(digit)
    return _EPOCH + timedelta(milliseconds=number >> 80)


def first_id_at(prefix: str, moment: datetime) -> str:
    """The least id that can have been made at `moment` or later."""
    milliseconds = -((_EPOCH - moment) // timedelta(milliseconds=1))
    number = min(max(milliseconds, 0), _LONGEST - 1) << 80
    return f"{prefix}_" + "".join(_DIGITS[(number >> shift) & 31] for shift in range(125, -1, -5))

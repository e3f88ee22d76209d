"""Ranges of ids. Ids sort by creation, so a range of times is a range of ids and needs no index of its own; neither
do the ids that begin alike."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from app.db import ID_DIGITS, id_of

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LONGEST = 1 << 48  # milliseconds
_LENGTH = 26  # digits of an id
_BEGINNING = re.compile(rf"job_[0-7][{ID_DIGITS}]{{3,{_LENGTH - 1}}}")


def created_at(thing_id: str) -> datetime:
    """When that id was made, to the millisecond."""
    number = 0
    for digit in thing_id.rpartition("_")[2]:
        number = number << 5 | ID_DIGITS.index(digit)
    return _EPOCH + timedelta(milliseconds=number >> 80)


def first_id_at(prefix: str, moment: datetime) -> str:
    """The least id that can have been made at `moment` or later."""
    milliseconds = -((_EPOCH - moment) // timedelta(milliseconds=1))
    number = min(max(milliseconds, 0), _LONGEST - 1) << 80
    return id_of(prefix, number)


def ids_like(text: str) -> tuple[str, str] | None:
    """The least and the greatest id of a job that `text` may be, or begin; None where it is not like one.

    Fewer than four digits are more likely a part of a name: they begin the ids of a year or more.
    """
    beginning = text.lower()
    if not _BEGINNING.fullmatch(beginning):
        return None
    whole = len("job_") + _LENGTH
    return beginning.ljust(whole, ID_DIGITS[0]), beginning.ljust(whole, ID_DIGITS[-1])

"""How values look in pages: times, durations, sizes, money, counts. Pure functions, used as Jinja filters.

Nothing here reads a clock, a setting or the database: what a text depends on comes in as a value.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl, urlencode

from app.web.browsers import browser

MINUTE, HOUR, DAY = 60, 3600, 86400
DURATION_UNITS = ((DAY, "d", HOUR, "h"), (HOUR, "h", MINUTE, "m"), (MINUTE, "m", 1, "s"))
COARSE_UNITS = ((DAY, "d"), (HOUR, "h"), (MINUTE, "min"))
BYTE_UNITS = ("KiB", "MiB", "GiB", "TiB", "PiB")


def iso(at: datetime | None) -> str:
    """RFC 3339 in UTC to the second, as `<time datetime>` wants it; empty for None."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if at else ""


def stamp(at: datetime | None) -> str:
    """The moment in full, for a tooltip or a log line: `2026-03-04 05:06:07 UTC`."""
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC") if at else ""


def ago(at: datetime | None, now: datetime) -> str:
    """How long before or after `now`: `just now`, `5 min ago`, `in 3 d`; past 30 days the date; None: a dash.

    What has passed is whole units, what is to come the nearest: a week that has just begun is one.
    """
    if at is None:
        return "–"
    seconds = (now - at).total_seconds()
    if abs(seconds) >= 30 * DAY:
        return f"{at.astimezone(UTC).day} {at.astimezone(UTC):%b %Y}"
    if abs(seconds) < 5:
        return "just now"
    return f"{_coarse(seconds)} ago" if seconds > 0 else f"in {_coarse(-seconds, rounded=0.5)}"


def _coarse(seconds: float, rounded: float = 0.0) -> str:
    unit, name = next(((unit, name) for unit, name in COARSE_UNITS if seconds >= unit), (1, "s"))
    return f"{int(seconds / unit + rounded)} {name}"


def duration(span: float | timedelta | None) -> str:
    """A length of time (in seconds) in its two largest units: `4s`, `3m 04s`, `2h 05m`, `3d 01h`."""
    if span is None:
        return "–"
    seconds = int(max(0.0, span.total_seconds() if isinstance(span, timedelta) else span))
    for unit, name, part, part_name in DURATION_UNITS:
        if seconds >= unit:
            return f"{seconds // unit}{name} {seconds % unit // part:02d}{part_name}"
    return f"{seconds}s"


def elapsed(start: datetime | None, end: datetime | None, now: datetime) -> str:
    """From `start` to `end`, or to `now` while there is no end; a dash before the start."""
    return duration((end or now) - start) if start else "–"


def filesize(size: int | None) -> str:
    """Bytes in binary units: `0 B`, `1.5 KiB`, `12 MiB`."""
    if size is None:
        return "–"
    if size < 1024:
        return f"{size} B"
    value = float(size)
    for unit in BYTE_UNITS:
        value /= 1024
        if value < 1024 or unit == BYTE_UNITS[-1]:
            break
    return f"{value:.1f} {unit}" if value < 10 else f"{value:.0f} {unit}"


def number(value: float | Decimal | None) -> str:
    """Thousands parted by commas, without needless zeros: `1,234`, `0.5`."""
    if value is None:
        return "–"
    text = f"{value:,.2f}" if value != int(value) else f"{int(value):,}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def gib(value: float | None) -> str:
    return "–" if value is None else f"{number(value)} GiB"


def credit(value: str | Decimal | None) -> str:
    """Credits, as the API writes them (a decimal string), with two to six places; `free` for none."""
    if value is None:
        return "–"
    amount = Decimal(value)
    if amount == 0:
        return "free"
    whole, _, places = f"{amount:,.6f}".partition(".")
    return f"{whole}.{places.rstrip('0').ljust(2, '0')} credits"


def counted(value: int, noun: str, plural: str = "") -> str:
    """`1 job`, `3 jobs`, `0 entries`."""
    return f"{number(value)} {noun if value == 1 else plural or noun + 's'}"


def percent(part: float, whole: float) -> int:
    """Part of the whole in percent, 0 to 100; any part at all is at least 1, so that a meter shows it."""
    if whole <= 0 or part <= 0:
        return 0
    return max(1, min(100, round(100 * part / whole)))


def lines(values: Mapping[str, object] | Iterable[str] | str | None) -> str:
    """What a text area shows for a map (`KEY=value` a line), a list (an item a line) or a text."""
    if not values:
        return ""
    if isinstance(values, str):
        return values
    if isinstance(values, Mapping):
        return "\n".join(f"{key}={'' if value is None else value}" for key, value in values.items())
    return "\n".join(str(value) for value in values)


def but(url: str, **changes: object) -> str:
    """The address of the same list with other filters: None or an empty text drops one. Paging starts afresh."""
    path, _, query = url.partition("?")
    values: dict[str, object] = dict(parse_qsl(query))
    values.pop("cursor", None)
    values.update(changes)
    kept = {name: value for name, value in values.items() if value not in {None, ""}}
    return f"{path}?{urlencode(kept)}" if kept else path


def paired(values: Iterable[str]) -> list[tuple[str, str]]:
    """Options of a select whose values are their own texts."""
    return [(value, value) for value in values]


def shared_options(teams: Iterable[Any], chosen: Any = None) -> list[tuple[str, str]]:
    """Options of a select for things shared with a team; `chosen` is there though it is not among `teams`."""
    names = {team.id: team.name for team in (*teams, *([chosen] if chosen else []))}
    return [(f"team:{id_}", f"The team {name}") for id_, name in names.items()]


def initials(name: str | None) -> str:
    """At most two capitals for a person's mark."""
    words = (name or "").replace("@", " ").split()
    letters = [word[0] for word in (words[:1] + words[-1:] if len(words) > 1 else words)]
    return "".join(letters).upper() or "?"


def pretty(value: Any) -> str:
    """JSON to read, for an event's data."""
    return json.dumps(value, indent=2, ensure_ascii=False, default=str)


TIMES = (iso, stamp, ago, duration, elapsed)
AMOUNTS = (filesize, number, gib, credit, counted, percent)
TEXTS = (lines, but, paired, shared_options, initials, browser, pretty)
FILTERS: Mapping[str, Callable[..., object]] = {f.__name__: f for f in (*TIMES, *AMOUNTS, *TEXTS)}

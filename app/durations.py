"""Durations as people write them: "2h", "90m", "1d12h", or plain seconds. Inside, always whole seconds."""

from __future__ import annotations

import re

UNITS = {"w": 604_800, "d": 86_400, "h": 3_600, "m": 60, "s": 1}
PART = r"(\d{1,9}(?:\.\d{1,6})?)\s*([wdhms])"
WHOLE = re.compile(rf"\s*(?:{PART}\s*)+", re.IGNORECASE)
YEAR = 366 * UNITS["d"]


def parse_duration(value: object, *, least: int = 1, most: int = YEAR) -> int:
    """Seconds. Raises ValueError with a sentence when it is no duration, or not between `least` and `most`."""
    seconds = _seconds(value)
    if seconds is None:
        raise ValueError(f'{_shown(value)} is not a duration: write it as "2h", "90m", "1d12h" or in seconds.')
    if not least <= seconds <= most:
        raise ValueError(f"Give a duration from {format_duration(least)} to {format_duration(most)}.")
    return round(seconds)


def _seconds(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    if not isinstance(value, str):
        return value
    if re.fullmatch(r"\s*\d{1,12}(\.\d{1,6})?\s*", value):
        return float(value)
    parts = re.findall(PART, value, re.IGNORECASE)
    units = [unit.lower() for _, unit in parts]
    if len(value) > 100 or not WHOLE.fullmatch(value) or len(set(units)) != len(units):
        return None
    return sum(float(number) * UNITS[unit] for (number, _), unit in zip(parts, units, strict=True))


def _shown(value: object) -> str:
    return repr(value if len(str(value)) <= 40 else str(value)[:40] + "…")


def format_duration(seconds: float) -> str:
    """The shortest exact form without weeks: 5400 is "1h30m", 0 is "0s". Fractions of a second are rounded away."""
    left = round(seconds)
    text = ""
    for unit in ("d", "h", "m", "s"):
        count, left = divmod(left, UNITS[unit])
        text += f"{count}{unit}" if count else ""
    return text or "0s"

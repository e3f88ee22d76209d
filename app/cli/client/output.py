"""How the client's commands print: aligned columns for people, JSON for programs, colours on a terminal alone."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

STATES = {
    "succeeded": "32", "running": "36", "starting": "36", "failed": "31", "stopped": "33", "stopping": "33",
}  # fmt: skip
UNITS = ((86_400, "d"), (3_600, "h"), (60, "m"))
WIDEST = 40


def as_json(value: Any) -> None:
    print(json.dumps(value, indent=2, ensure_ascii=False))


def say(sentence: str) -> None:
    """For the person, beside what the command prints."""
    print(sentence, file=sys.stderr, flush=True)


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Aligned columns, of which none is wider than WIDEST. A cell whose text is a state has its colour."""
    cells = [[_clipped(shown(cell)) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(head, *cells, strict=True)]
    for line in [list(head), *cells]:
        print("  ".join(_padded(cell, width) for cell, width in zip(line, widths, strict=True)).rstrip())


def _clipped(text: str) -> str:
    return text if len(text) <= WIDEST else f"{text[: WIDEST - 1]}…"


def facts(pairs: Iterable[tuple[str, object]]) -> None:
    known = [(name, shown(value)) for name, value in pairs if value not in {None, ""}]
    width = max((len(name) for name, _ in known), default=0)
    for name, value in known:
        print(f"{name:{width}}  {_padded(value, 0)}")


def shown(value: object) -> str:
    """One line without what would steer a terminal: names come from others."""
    text = "-" if value is None or value == "" else str(value)
    return "".join(c if c.isprintable() else "?" for c in text)


def age(at: str | None) -> str:
    """How long ago, in its largest unit: `5m`."""
    if not at:
        return "-"
    seconds = int((datetime.now(UTC) - datetime.fromisoformat(at)).total_seconds())
    for unit, name in UNITS:
        if seconds >= unit:
            return f"{seconds // unit}{name}"
    return f"{max(0, seconds)}s"


def _padded(text: str, width: int) -> str:
    padded = f"{text:{width}}" if width else text
    return f"\x1b[{STATES[text]}m{padded}\x1b[0m" if text in STATES and _has_colours() else padded


def _has_colours() -> bool:
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"

"""How pretended GPUs are written in LATTICE_FAKE_GPUS: `H100:8`, or several with commas. The standard library alone."""

from __future__ import annotations

import re

_PART = re.compile(r"([A-Za-z0-9][A-Za-z0-9-]{0,30}):(\d{1,2})")


def parse(text: str) -> list[tuple[str, int]]:
    """Models and their counts. ValueError names what can't be read."""
    found: list[tuple[str, int]] = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        match = _PART.fullmatch(part)
        if not match:
            raise ValueError(f"{part!r} is no model and count such as H100:8")
        found.append((match[1], int(match[2])))
    return found

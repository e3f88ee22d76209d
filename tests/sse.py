"""Server-sent events as a client reads them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

Frame = dict[str, str]


def frames(lines: Iterable[str]) -> Iterator[Frame]:
    """Each event as a map of its fields, as it comes; several data lines are joined, heartbeats left out."""
    frame: Frame = {}
    for line in lines:
        if line and not line.startswith(":"):
            name, _, value = line.partition(": ")
            frame[name] = f"{frame[name]}\n{value}" if name in frame else value
        elif not line and frame:
            yield frame
            frame = {}

"""Reading an attempt's output from its segment files while the supervisor still writes and cuts them.

A segment is named by the offset at which it starts; a gap between two is what was cut, and nothing else.
"""

from __future__ import annotations

import os
from bisect import bisect_right
from pathlib import Path

TRIES = 5  # a segment listed a moment ago may have been cut meanwhile


def segments(out: Path) -> list[int]:
    """Start offsets, ascending; empty for a log that has not begun."""
    try:
        return sorted(int(name) for name in os.listdir(out) if name.isdigit())
    except FileNotFoundError:
        return []


def segment_name(start: int) -> str:
    return f"{start:020d}"


def segment_path(out: Path, start: int) -> Path:
    return out / segment_name(start)


def log_size(out: Path) -> int:
    """Bytes written so far, cut ones included."""
    for _ in range(TRIES):
        starts = segments(out)
        if not starts:
            return 0
        try:
            return starts[-1] + segment_path(out, starts[-1]).stat().st_size
        except FileNotFoundError:
            continue
    return 0


def read_piece(out: Path, offset: int, limit: int) -> tuple[int, bytes]:
    """Where the piece starts (past `offset` where that was cut), and at most `limit` bytes without a gap."""
    for _ in range(TRIES):
        try:
            return _read(out, segments(out), offset, limit)
        except FileNotFoundError:
            continue
    return offset, b""


def _read(out: Path, starts: list[int], offset: int, limit: int) -> tuple[int, bytes]:
    index = max(0, bisect_right(starts, offset) - 1)
    parts: list[bytes] = []
    begin = at = offset
    for start in starts[index:]:
        if start > at and not parts:
            begin = at = start  # the cut lies behind us
        if start > at or limit <= 0:
            break
        data = _read_segment(segment_path(out, start), at - start, limit)
        if data:
            parts.append(data)
            at += len(data)
            limit -= len(data)
    return begin, b"".join(parts)


def _read_segment(path: Path, skip: int, limit: int) -> bytes:
    with path.open("rb", buffering=0) as segment:
        segment.seek(skip)
        return segment.read(limit) or b""

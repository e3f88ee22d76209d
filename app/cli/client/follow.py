"""Follow a job's log over server-sent events, across cuts: no line is lost, and none comes twice.

A frame counts once it is whole; its id is the offset after it, and that is where the next connection goes on.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from app.cli.client.api import Api
from app.cli.client.errors import NOT_REACHED, ClientError
from app.cli.client.output import say

PATIENCE = 300.0  # seconds that a server may be away
LONGEST_PAUSE = 10.0


@dataclass(frozen=True, slots=True)
class LogEvent:
    """A frame: `kind` is empty for lines of the log, `gap`, or `end`. `offset` is that after it."""

    kind: str
    offset: str
    data: bytes


def events(chunks: Iterable[bytes]) -> Iterator[LogEvent]:
    """The whole frames in the bytes of a stream; what is cut off at the end is left out."""
    left = b""
    kind, offset = "", ""
    data: list[bytes] = []
    for chunk in chunks:
        *lines, left = (left + chunk).split(b"\n")
        for line in lines:
            if line == b"":
                if data or kind:
                    yield LogEvent(kind, offset, b"\n".join(data))
                kind, offset, data = "", "", []
                continue
            name, _, value = line.partition(b":")
            value = value.removeprefix(b" ")
            if name == b"data":
                data.append(value)
            elif name == b"event":
                kind = value.decode("ascii", "replace")
            elif name == b"id":
                offset = value.decode("ascii", "replace")


def follow(api: Api, job_id: str, tail: int | None) -> Iterator[LogEvent]:
    """Every frame up to the log's end. The first connection must succeed; later ones are tried for five minutes."""
    offset: str | None = None
    reached: float | None = None
    pause = 0.2
    while True:
        params: dict[str, Any] = {"follow": 1, **({"tail": tail} if tail is not None and offset is None else {})}
        headers = {"Last-Event-ID": offset} if offset is not None else {}
        try:
            with api.stream(f"/jobs/{job_id}/logs", params=params, headers=headers) as answer:
                reached, pause = time.monotonic(), 0.2
                for event in events(answer.iter_bytes()):
                    reached = time.monotonic()
                    offset = event.offset or offset
                    yield event
                    if event.kind == "end":
                        return
        except ClientError as wrong:
            if reached is None or not _may_pass(wrong) or time.monotonic() - reached > PATIENCE:
                raise
            say(f"{wrong} Trying again.")
            pause = max(pause, wrong.retry_after or 0)
        time.sleep(pause)
        pause = min(LONGEST_PAUSE, pause * 2)


def _may_pass(wrong: ClientError) -> bool:
    return wrong.status == NOT_REACHED or wrong.retry_after is not None

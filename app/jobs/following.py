"""One job as it is watched: what happens to it, how far its log reaches, and that the line before it has moved."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing

import anyio
import anyio.to_thread
import orjson

from app.events.following import Wanted, event_frames, frames_so_far
from app.jobs.logs import LATEST, SOONEST, look
from app.site import Site
from app.web.ask import Principal
from app.web.streams import Frame, merged


async def watched(site: Site, me: Principal, job_id: str, seq: int) -> AsyncIterator[Frame]:
    """Frames `ready`, `job`, `log`, `queue`, until the job has ended and all is told: then one `end`."""
    want = Wanted(frozenset({"job"}), job_id)
    async with aclosing(merged(event_frames(site, me, seq, want), growth(site, job_id))) as frames:
        async for frame in frames:
            yield frame
            seq = int(frame.id or seq)
            if frame.event == "log" and orjson.loads(frame.data)["ended"]:
                break
    async for frame in frames_so_far(site, me, seq, want):
        yield frame
        seq = int(frame.id or seq)
    yield Frame("{}", event="end", id=str(seq))


async def growth(site: Site, job_id: str) -> AsyncIterator[Frame]:
    """`log` at once, at each growth of the log and at its end: how far it reaches, and whether that is all.

    `queue` where something has happened that may have moved a job that waits.
    """
    known, pause, moved = -1, SOONEST, site.pulse.seq
    while True:
        seen = await anyio.to_thread.run_sync(look, site, job_id, max(0, known))
        has_grown = seen.state.size != known
        if has_grown or seen.has_ended:
            known = seen.state.size
            yield Frame(orjson.dumps({"size": known, "ended": seen.has_ended}).decode(), event="log")
        if seen.has_ended:
            return
        if seen.is_queued and moved != site.pulse.seq:
            moved = site.pulse.seq
            yield Frame("{}", event="queue")
        pause = SOONEST if has_grown else min(LATEST, pause * 1.5)
        await anyio.sleep(pause)

"""Read jobs' logs for people and programs: pieces, the end, matches, and a stream that follows.

Logs come from the store, where workers have put them; no engine is asked. Offsets are those of the job's whole log.
What reads the store here blocks, and is called in the store's own threads (`Site.store`), with no session open.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from functools import partial

import anyio
import anyio.to_thread
import orjson
from sqlmodel import Session

from app.jobs import queries
from app.jobs.bodies import LOG_PIECE, LogMatchQuery, LogQuery
from app.jobs.models import Job, JobState
from app.jobs.states import FINAL
from app.site import Site
from app.stores.log_search import LogMatches, find_errors, find_text
from app.stores.logs import LogSlice, LogState, LogStore, frame
from app.stores.objects import StoreError
from app.web.problems import Gone, Invalid, Unavailable
from app.web.streams import ByteStream, EventStream, Frame, Text

log = logging.getLogger("lattice.jobs")
NOT_READ = (StoreError, Unavailable)
FRAME = 64 << 10
PIECE = 1 << 20  # bytes of a download that are in memory at once
SOONEST, LATEST = 0.2, 1.0  # seconds between looks of a follower: while the log grows, and while it is silent
HEADERS = {
    "Lattice-Log-Start": "The offset of the first byte here, among the bytes of the whole log.",
    "Lattice-Next-Offset": "The `offset` to go on at.",
    "Lattice-Log-Size": "The offset where the log ends so far.",
    "Lattice-Log-Cut": "`from-to`: bytes that were cut out of this log as too many, wherever in it they are.",
    "Lattice-Log-Gap": "`from-to`: bytes that are missing just before those here.",
}


@dataclass(frozen=True, slots=True)
class Reach:
    """The part of a log that a request is about: from `start` to `state.size`."""

    state: LogState
    start: int = 0


def reach_of(db: Session, job: Job, q: LogQuery) -> Reach:
    """Raises Gone for a log that was removed, Invalid for an attempt or a node that there is not."""
    if job.logs_removed_at is not None:
        raise Gone(f"The log of this job was removed on {job.logs_removed_at:%Y-%m-%d}, as old logs are.")
    if q.node is not None and not (q.node == 0 and job.num_nodes == 1):
        raise Invalid.field("node", "Nodes count from 0, and the log of several nodes is kept as one.")
    state = queries.log_state(db, job.id)
    if q.attempt is None:
        return Reach(state)
    found = queries.log_range(db, job.id, q.attempt)
    if found is None:
        raise Invalid.field("attempt", f"There is no attempt {q.attempt} yet.")
    start, end = found
    return Reach(replace(state, size=end, cut_from=min(state.cut_from, end), cut_to=min(state.cut_to, end)), start)


def read(store: LogStore, job_id: str, reach: Reach, q: LogQuery) -> Text:
    """What the request asks for as text, with where it begins, where to go on, and how far the log reaches."""
    if q.tail is not None:
        piece = store.tail(job_id, reach.state, q.tail, q.limit)
        if piece.start < reach.start:
            piece = replace(piece, start=reach.start, data=piece.data[reach.start - piece.start :])
        return _text(piece, reach)
    if q.offset is not None:
        return _text(store.read(job_id, reach.state, max(q.offset, reach.start), q.limit), reach)
    return _text(_read_over_gaps(store, job_id, reach, q.limit), reach)


def _read_over_gaps(store: LogStore, job_id: str, reach: Reach, limit: int) -> LogSlice:
    """From the beginning, with a line where bytes are missing: what a person reads or keeps as a file."""
    parts: list[bytes] = []
    at, left = reach.start, limit
    while left > 0 and at < reach.state.size:
        piece = store.read(job_id, reach.state, at, left)
        parts.append(_told(piece))
        at, left = piece.next_offset, left - len(piece.data)
    return LogSlice(reach.start, b"".join(parts), at)


def whole(site: Site, job_id: str, reach: Reach) -> ByteStream:
    """Everything that there is so far, however large, as `_read_over_gaps` shows it, read as fast as it is taken.

    The first piece is read at once: a store that fails is told of by a status, and later on by the file's last line.
    """
    first = site.logs.read(job_id, reach.state, reach.start, PIECE)

    async def pieces() -> AsyncIterator[bytes]:
        piece = first
        yield _told(piece)
        while (at := piece.next_offset) < reach.state.size:
            try:
                piece = await site.store.call(partial(site.logs.read, job_id, reach.state, at, PIECE))
            except NOT_READ as error:
                log.warning("a download of the log of job %s ends at byte %d: %s", job_id, at, error)
                yield f"\n[Lattice: the log can't be read from byte {at:,} on now; try again]\n".encode()
                return
            yield _told(piece)

    headers = {"Content-Disposition": "attachment", "Cache-Control": "no-store"}
    return ByteStream(pieces, "text/plain; charset=utf-8", headers)


def _told(piece: LogSlice) -> bytes:
    """The piece's bytes, after a line about those that are missing before it."""
    return (gap_line(*piece.gap) if piece.gap else b"") + piece.data


def gap_line(start: int, end: int) -> bytes:
    return f"[Lattice: bytes {start:,} to {end:,} were cut out of this log; it goes on at offset {end}]\n".encode()


def _text(piece: LogSlice, reach: Reach) -> Text:
    headers = {
        "Lattice-Log-Start": str(piece.start), "Lattice-Next-Offset": str(piece.next_offset),
        "Lattice-Log-Size": str(reach.state.size), "Cache-Control": "no-store",
    }  # fmt: skip
    if reach.state.cut_to > reach.state.cut_from:
        headers["Lattice-Log-Cut"] = f"{reach.state.cut_from}-{reach.state.cut_to}"
    if piece.gap:
        headers["Lattice-Log-Gap"] = f"{piece.gap[0]}-{piece.gap[1]}"
    return Text(piece.data, headers=headers)


def followed(site: Site, job_id: str, reach: Reach, q: LogQuery, resumed: int | None) -> EventStream:
    """The log from where the follower begins. A byte is read at once: a store that fails is told of by a status."""
    start = _start_of(site.logs, job_id, reach, q, resumed)
    site.logs.read(job_id, reach.state, start, 1)
    return EventStream(lambda: follow(site, job_id, start))


def _start_of(store: LogStore, job_id: str, reach: Reach, q: LogQuery, resumed: int | None) -> int:
    """Where a follower begins: after the last frame that it had, or where it asks to."""
    if resumed is not None:
        return min(resumed, reach.state.size)
    if q.tail is not None:
        return store.tail(job_id, reach.state, q.tail, LOG_PIECE).start
    return min(q.offset or 0, reach.state.size)


def find(store: LogStore, job_id: str, state: LogState, q: LogMatchQuery) -> LogMatches:
    finder = find_errors if q.q is None else find_text(q.q)
    return store.search(job_id, state, finder, q.after, limit=q.limit)


def tail_text(store: LogStore, job_id: str, state: LogState, lines: int = 200) -> str:
    """The last lines, at most 64 KiB, as text for a page."""
    return store.tail(job_id, state, lines, FRAME).data.decode("utf-8", "replace")


async def follow(site: Site, job_id: str, offset: int) -> AsyncIterator[Frame]:
    """Frames of whole lines from `offset` on; each one's id is the offset after it. Ends when the job has ended.

    Between looks it holds neither a database connection nor a thread. Where the store fails it ends without the event
    `end`, so that its reader comes back.
    """
    pause = SOONEST
    while True:
        seen = await anyio.to_thread.run_sync(look, site, job_id, offset)
        frames: list[Frame] = []
        if offset < seen.state.size:
            try:
                frames, offset = await site.store.call(partial(_next_frames, site.logs, job_id, seen, offset))
            except NOT_READ as error:
                log.warning("a follower of the log of job %s is let go at byte %d: %s", job_id, offset, error)
                return
        for one in frames:
            yield one
        if seen.has_ended and offset >= seen.state.size:
            yield Frame("", event="end", id=str(offset))
            return
        pause = SOONEST if frames else min(LATEST, pause * 1.5)
        await anyio.sleep(0 if len(frames) >= MOST_FRAMES else pause)


MOST_FRAMES = 16  # read in one look, so that a slow reader holds little


@dataclass(frozen=True, slots=True)
class Seen:
    """How far a log reaches, and whether it grows no more."""

    state: LogState
    has_ended: bool
    is_queued: bool = False


def look(site: Site, job_id: str, offset: int) -> Seen:
    """A log that was removed has ended where its follower is."""
    with site.db.read() as db:
        job = db.get(Job, job_id)
        if job is None or job.logs_removed_at is not None:
            return Seen(LogState(offset), has_ended=True)
        return Seen(queries.log_state(db, job_id), job.state in FINAL, job.state is JobState.QUEUED)


def _next_frames(store: LogStore, job_id: str, seen: Seen, offset: int) -> tuple[list[Frame], int]:
    """The next frames, and the offset after them."""
    frames: list[Frame] = []
    while offset < seen.state.size and len(frames) < MOST_FRAMES:
        piece = frame(store.read(job_id, seen.state, offset, FRAME), seen.state, ended=seen.has_ended)
        if piece.gap:
            frames.append(_gap_frame(*piece.gap))
            offset = piece.start
        if not piece.data:
            break
        offset = piece.next_offset
        frames.append(Frame(_shown(piece.data), id=str(offset)))
    return frames, offset


def _gap_frame(start: int, end: int) -> Frame:
    return Frame(orjson.dumps({"from": start, "to": end}).decode(), event="gap", id=str(end))


def _shown(data: bytes) -> str:
    """Lines for `data:` fields, which can hold no carriage return: what one of them ended is a line of its own."""
    text = data.decode("utf-8", "replace").replace("\r\n", "\n").replace("\r", "\n")
    return text.removesuffix("\n")

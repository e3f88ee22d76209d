"""A job's canonical log: bytes at fixed offsets, in cells of 1 MiB, of which the middle is cut past a limit.

How far a log reaches is the caller's LogState, advanced only after the bytes are stored: a crash in between writes the
same bytes to the same place again. Nothing here reads past that state, and nothing here changes an offset.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from app.stores.log_search import Finder, LogMatch, LogMatches, matches
from app.stores.objects import NoSuchObject, ObjectStore

CELL = 1 << 20
LINE_LIMIT = 64 << 10  # a longer line may be split
TAIL_LIMIT = 8 << 20
SEARCH_BUDGET = 64 << 20  # bytes that one search reads at most


@dataclass(frozen=True, slots=True)
class LogState:
    """How far a log reaches, and the cut out of its middle, in bytes; no cut where `cut_from == cut_to`."""

    size: int = 0
    cut_from: int = 0
    cut_to: int = 0

    @property
    def kept(self) -> int:
        return self.size - (self.cut_to - self.cut_from)


@dataclass(frozen=True, slots=True)
class LogSlice:
    """`data` stands at `start`; read on at `next_offset`. `gap`: the bytes that are missing right before `start`."""

    start: int
    data: bytes
    next_offset: int
    gap: tuple[int, int] | None = None


class LogStore:
    """The logs of all jobs in one store.

    Methods raise StoreError where the store fails. Bytes that the store lost read as a gap, not as an error.
    """

    def __init__(self, store: ObjectStore) -> None:
        self.store = store

    def append(self, job_id: str, state: LogState, data: bytes, limit: int | None = None) -> LogState:
        """Store `data` at `state.size`, and keep at most `limit` bytes; the state to keep once this returns."""
        for at, piece in _by_cell(state.size, data):
            self.store.extend(cell_key(job_id, at // CELL), at % CELL, piece)
        longer = replace(state, size=state.size + len(data))
        return longer if limit is None else self._cut(job_id, longer, limit)

    def gap(self, job_id: str, state: LogState, new_start: int) -> LogState:
        """The source lost what it had between `state.size` and `new_start`; the state to keep."""
        if new_start <= state.size:
            return state
        cut_from = state.cut_from if state.cut_to > state.cut_from else state.size
        return self._drop(job_id, state, LogState(new_start, cut_from, new_start))

    def delete(self, job_id: str) -> None:
        self.store.delete(f"logs/{job_id}")

    def read(self, job_id: str, state: LogState, offset: int, limit: int) -> LogSlice:
        """At most `limit` bytes from `offset` on, up to the next gap; from behind the gap where `offset` is in one."""
        asked = min(max(offset, 0), state.size)
        limit = max(limit, 1)
        start = asked
        while start < state.size:
            if state.cut_from <= start < state.cut_to:
                start = state.cut_to
                continue
            data = self._run(job_id, state, start, limit)
            if data:
                return LogSlice(start, data, start + len(data), (asked, start) if start > asked else None)
            start = min((start // CELL + 1) * CELL, state.size)  # lost by the store: on with the next cell
        return LogSlice(start, b"", start, (asked, start) if start > asked else None)

    def tail(self, job_id: str, state: LogState, lines: int, limit: int = TAIL_LIMIT) -> LogSlice:
        """The last `lines` lines, at most `limit` bytes of them, and never across a gap."""
        begin, data = state.size, b""
        for block in self._backwards(job_id, state, limit):
            begin, data = begin - len(block), block + data
            if data.count(b"\n") > lines:
                break
        data, skipped = _last_lines(data, lines)
        at = begin + skipped
        return LogSlice(at, data, state.size, (state.cut_from, at) if at == state.cut_to > state.cut_from else None)

    def search(
        self,
        job_id: str,
        state: LogState,
        finder: Finder,
        after: int = 0,
        *,
        limit: int = 100,
        budget: int = SEARCH_BUDGET,
    ) -> LogMatches:
        """Up to `limit` lines that begin at `after` or later and that the finder finds, in `budget` bytes of log."""
        found: list[LogMatch] = []
        at, last = after, after + budget
        while at < min(state.size, last):
            piece = self._lines(job_id, state, at)
            last += piece.start - at  # what was cut or lost costs nothing
            for match in matches(piece.data, piece.start, finder):
                if len(found) == limit:
                    return LogMatches(tuple(found), match.offset)
                found.append(match)
            at = piece.next_offset
        return LogMatches(tuple(found), at if at < state.size else None)

    def _lines(self, job_id: str, state: LogState, offset: int) -> LogSlice:
        """About a cell of whole lines from `offset` on."""
        piece = self.read(job_id, state, offset, CELL)
        if piece.next_offset in {state.size, state.cut_from}:
            return piece
        end = piece.data.rfind(b"\n") + 1 or len(piece.data)
        return replace(piece, data=piece.data[:end], next_offset=piece.start + end)

    def _backwards(self, job_id: str, state: LogState, limit: int) -> Iterator[bytes]:
        """Blocks from the log's end to the cut, or to `limit` bytes, each twice as large as the last."""
        floor = max(state.cut_to if state.cut_to > state.cut_from else 0, state.size - limit)
        end, step = state.size, LINE_LIMIT
        while end > floor:
            block = self._run(job_id, LogState(end), max(floor, end - step), step)
            if len(block) < end - max(floor, end - step):
                return  # lost by the store
            yield block
            end, step = end - len(block), min(step * 2, CELL)

    def _run(self, job_id: str, state: LogState, start: int, limit: int) -> bytes:
        """The stored bytes from `start` on without a hole, at most `limit`."""
        end = min(state.size, start + limit, state.cut_from if start < state.cut_from else state.size)
        pieces: list[bytes] = []
        while start < end:
            piece = self._stored(job_id, start, min(end, (start // CELL + 1) * CELL))
            pieces.append(piece)
            start += len(piece)
            if not piece or (start % CELL and start < end):
                break
        return b"".join(pieces)

    def _stored(self, job_id: str, start: int, end: int) -> bytes:
        try:
            return self.store.get_range(cell_key(job_id, start // CELL), start % CELL, end - start)
        except NoSuchObject:
            return b""

    def _cut(self, job_id: str, state: LogState, limit: int) -> LogState:
        """Cut the middle where more than the limit is kept: half stays at the head, up to half at the tail."""
        if state.kept <= limit:
            return state
        step = max(1, min(CELL, limit // 8))
        earliest = -(-(state.size - limit // 2) // step) * step
        cut_to = self._line_start(job_id, max(earliest, state.cut_to), state.size)
        is_fit = state.cut_from < state.cut_to and state.cut_from <= limit // 2
        cut_from = state.cut_from if is_fit else self._line_end(job_id, limit // 2)
        return self._drop(job_id, state, LogState(state.size, cut_from, cut_to))

    def _drop(self, job_id: str, before: LogState, after: LogState) -> LogState:
        """Remove the cells that lie whole in the cut of `after` and did not in that of `before`."""
        first = -(-after.cut_from // CELL)
        last = min(after.cut_to, before.size + CELL * (after.size > before.size)) // CELL
        was_cut = before.cut_to > before.cut_from
        gone = range(-(-before.cut_from // CELL), before.cut_to // CELL) if was_cut else range(first, first)
        for cell in (*range(first, min(last, gone.start)), *range(max(first, gone.stop), last)):
            self.store.delete(cell_key(job_id, cell))
        return after

    def _line_start(self, job_id: str, offset: int, size: int) -> int:
        """The first line start at or after `offset`, or `offset` itself where none is near."""
        data = self._run(job_id, LogState(size - 1), offset, LINE_LIMIT)
        return offset + data.find(b"\n") + 1

    def _line_end(self, job_id: str, offset: int) -> int:
        """The last line end at or before `offset`, or `offset` itself where none is near."""
        start = max(0, offset - LINE_LIMIT)
        data = self._run(job_id, LogState(offset), start, LINE_LIMIT)
        found = data.rfind(b"\n")
        return offset if found < 0 else start + found + 1


def frame(piece: LogSlice, state: LogState, *, ended: bool) -> LogSlice:
    """The part of a slice that ends at a line end, so that a follower never shows half a line.

    The rest is left for the next read, unless nothing follows it: the job has ended, or the slice ends before the cut.
    A carriage return counts as a line end (progress bars); a line longer than LINE_LIMIT is split there, between two
    UTF-8 characters.
    """
    data = piece.data
    before_cut = state.cut_from < state.cut_to and piece.next_offset == state.cut_from
    if before_cut or (ended and piece.next_offset >= state.size):
        return piece
    end = max(data.rfind(b"\n"), data.rfind(b"\r", 0, max(len(data) - 1, 0))) + 1
    if end == 0 and (len(data) >= LINE_LIMIT or piece.next_offset < state.size):
        end = _character_start(data, min(len(data), LINE_LIMIT))
    return replace(piece, data=data[:end], next_offset=piece.start + end)


def cell_key(job_id: str, cell: int) -> str:
    return f"logs/{job_id}/{cell:08d}"


def _by_cell(at: int, data: bytes) -> Iterator[tuple[int, bytes]]:
    done = 0
    while done < len(data):
        length = min(CELL - (at + done) % CELL, len(data) - done)
        yield at + done, data[done : done + length]
        done += length


def _last_lines(data: bytes, lines: int) -> tuple[bytes, int]:
    """The last lines of `data`, and how many bytes stand before them. An unfinished last line counts as one."""
    end = len(data) - data.endswith(b"\n")
    for _ in range(lines):
        end = data.rfind(b"\n", 0, max(end, 0))
        if end < 0:
            return data, 0
    return data[end + 1 :], end + 1


def _character_start(data: bytes, at: int) -> int:
    """`at`, or the start of the UTF-8 character that `at` would split."""
    for back in range(1, min(at, 4)):
        lead = data[at - back]
        if lead >= 0xC0:
            length = 2 + (lead >= 0xE0) + (lead >= 0xF0)
            return at if length <= back else at - back
        if lead < 0x80:
            break
    return at

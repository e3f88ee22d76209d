"""The canonical log: its offsets never change, a crash loses and doubles nothing, and the middle is what is cut."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.stores.log_search import find_errors, find_text
from app.stores.logs import CELL, LINE_LIMIT, LogSlice, LogState, LogStore, cell_key, frame
from app.stores.objects import FolderStore, ObjectStore, open_store


@pytest.fixture(params=["folder", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    return open_store(tmp_path / "files" if request.param == "folder" else "memory:///")


@pytest.fixture
def logs(store: ObjectStore) -> LogStore:
    return LogStore(store)


def lines(first: int, count: int, width: int = 40) -> bytes:
    return b"".join(b"line %d ".ljust(width, b".") % n + b"\n" for n in range(first, first + count))


def whole(logs: LogStore, state: LogState, limit: int = 300_000) -> tuple[bytes, list[tuple[int, int]]]:
    at, data, gaps = 0, b"", []
    while at < state.size:
        piece = logs.read("job_1", state, at, limit)
        gaps += [piece.gap] if piece.gap else []
        data, at = data + piece.data, piece.next_offset
    return data, gaps


def test_what_was_appended_is_read_back_across_cells(logs: LogStore) -> None:
    state, text = LogState(), lines(0, 70_000)
    for start in range(0, len(text), 700_001):
        state = logs.append("job_1", state, text[start : start + 700_001])
    assert whole(logs, state) == (text, [])
    assert [s.size for s in sorted(logs.store.list("logs/job_1"), key=lambda s: s.key)][:2] == [CELL, CELL]


def test_a_repeated_append_after_a_crash_changes_nothing(logs: LogStore) -> None:
    state = logs.append("job_1", LogState(), b"one\n")
    logs.append("job_1", state, b"two\nthr")  # the row was not advanced
    again = logs.append("job_1", state, b"two\n")
    assert again == LogState(8)
    assert logs.read("job_1", again, 0, 99).data == b"one\ntwo\n"


def test_a_slow_second_writer_makes_nothing_shorter(logs: LogStore) -> None:
    state = logs.append("job_1", LogState(), b"one\ntwo\n")
    logs.append("job_1", LogState(), b"one\n")
    assert logs.read("job_1", state, 0, 99).data == b"one\ntwo\n"


def test_an_offset_past_the_end_reads_nothing(logs: LogStore) -> None:
    state = logs.append("job_1", LogState(), b"one\n")
    assert logs.read("job_1", state, 99, 99) == LogSlice(4, b"", 4)
    assert logs.read("job_2", LogState(), 0, 99) == LogSlice(0, b"", 0)


def test_past_the_limit_the_middle_is_cut_at_line_ends(store: ObjectStore) -> None:
    logs, state, text = LogStore(store), LogState(), lines(0, 300_000)
    for start in range(0, len(text), 900_000):
        state = logs.append("job_1", state, text[start : start + 900_000], 4 * CELL)
        assert state.kept <= 4 * CELL
    data, gaps = whole(logs, state)
    assert gaps == [(state.cut_from, state.cut_to)]
    assert data == text[: state.cut_from] + text[state.cut_to :]
    assert text[state.cut_from - 1] == text[state.cut_to - 1] == ord("\n")
    assert state.kept > 3 * CELL
    assert sum(1 for _ in store.list("logs/job_1")) <= 6


def test_the_smallest_limit_keeps_a_head_and_a_tail(store: ObjectStore) -> None:
    logs, text = LogStore(store), lines(0, 100_000)
    state = logs.append("job_1", LogState(), text, CELL)
    assert CELL // 2 - LINE_LIMIT <= state.cut_from <= CELL // 2
    assert CELL // 4 < state.size - state.cut_to <= CELL // 2


def test_a_limit_that_is_raised_or_lowered_holds_from_then_on(logs: LogStore) -> None:
    state = logs.append("job_1", LogState(), lines(0, 300_000), 8 * CELL)
    raised = logs.append("job_1", state, lines(300_000, 60_000), 16 * CELL)
    assert (raised.cut_from, raised.cut_to) == (state.cut_from, state.cut_to)
    lowered = logs.append("job_1", raised, b"last\n", CELL)
    assert lowered.kept <= CELL and logs.tail("job_1", lowered, 1).data == b"last\n"
    assert sum(1 for _ in logs.store.list("logs/job_1")) <= 3


def test_a_head_that_a_gap_made_too_long_is_cut_too(logs: LogStore) -> None:
    state = logs.append("job_1", LogState(), lines(0, 20_000), CELL)
    state = logs.append("job_1", logs.gap("job_1", state, CELL), lines(30_000, 20_000), CELL)
    assert state.kept <= CELL


def test_reading_inside_the_cut_goes_on_behind_it(store: ObjectStore) -> None:
    logs = LogStore(store)
    state = logs.append("job_1", LogState(), lines(0, 100_000), CELL)
    piece = logs.read("job_1", state, state.cut_from + 5, 10)
    assert piece.start == state.cut_to and piece.gap == (state.cut_from + 5, state.cut_to)
    assert logs.read("job_1", state, state.cut_from - 5, 10).next_offset == state.cut_from


def test_a_gap_in_the_source_keeps_later_offsets(logs: LogStore) -> None:
    state = logs.append("job_1", LogState(), b"before\n")
    state = logs.append("job_1", logs.gap("job_1", state, 3 * CELL + 5), b"after\n")
    assert state == LogState(3 * CELL + 11, 7, 3 * CELL + 5)
    assert whole(logs, state) == (b"before\nafter\n", [(7, 3 * CELL + 5)])
    assert logs.gap("job_1", state, 3) == state


def test_what_the_store_lost_reads_as_a_gap(logs: LogStore) -> None:
    state = logs.append("job_1", LogState(), lines(0, 80_000))
    logs.store.delete(cell_key("job_1", 1))
    assert whole(logs, state)[1] == [(CELL, 2 * CELL)]


def test_the_tail_is_the_last_lines(logs: LogStore) -> None:
    text = lines(0, 60_000)
    state = logs.append("job_1", LogState(), text)
    assert logs.tail("job_1", state, 3).data == lines(59_997, 3)
    assert logs.tail("job_1", state, 30_000).data.count(b"\n") == 30_000
    assert logs.tail("job_1", state, 10**9).data == text
    assert logs.tail("job_1", state, 0).data == b""
    state = logs.append("job_1", state, b"unfinished")
    assert logs.tail("job_1", state, 2).data == lines(59_999, 1) + b"unfinished"


def test_the_tail_ends_at_the_cut(store: ObjectStore) -> None:
    logs = LogStore(store)
    state = logs.append("job_1", LogState(), lines(0, 100_000), CELL)
    tail = logs.tail("job_1", state, 10**9)
    assert tail.start == state.cut_to and tail.gap == (state.cut_from, state.cut_to)


def test_search_finds_across_cells_whatever_the_case(logs: LogStore) -> None:
    head = b"x" * (CELL - 10) + b"\n"
    state = logs.append("job_1", LogState(), head + b"a Needle here\n" + lines(0, 40_000) + b"a second NEEDLE")
    found = logs.search("job_1", state, find_text("needle"))
    assert [m.line for m in found.items] == ["a Needle here", "a second NEEDLE"]
    assert found.items[0].offset == len(head) and found.next is None


def test_search_goes_on_where_it_stopped(logs: LogStore) -> None:
    state = logs.append("job_1", LogState(), lines(0, 50_000))
    first = logs.search("job_1", state, find_text("line 4"), limit=2)
    assert [m.line[:8] for m in first.items] == ["line 4 .", "line 40 "] and first.next is not None
    second = logs.search("job_1", state, find_text("line 4"), first.next, limit=1)
    assert second.items[0].line.startswith("line 41")
    bounded = logs.search("job_1", state, find_text("nowhere"), budget=CELL // 2)
    assert bounded.items == () and bounded.next is not None and CELL - 50 < bounded.next <= CELL


def test_search_sees_text_under_colours_and_offsets_with_them(logs: LogStore) -> None:
    coloured = b"\x1b[32mgood\x1b[0m\n" * 3
    state = logs.append("job_1", LogState(), coloured + b"\x1b[1;31mGr\xc3\x9c\x1b[0mN\n")
    (match,) = logs.search("job_1", state, find_text("grün")).items
    assert match.offset == len(coloured) and match.line == "GrÜN"
    assert logs.search("job_1", state, find_text("31m")).items == ()


def test_search_shows_the_part_of_a_progress_bar_and_clips(logs: LogStore) -> None:
    state = logs.append("job_1", LogState(), b"\r10%\r20% spike\r30%\n" + b"x" * 9000 + b" spike" + b"y" * 9000)
    bar, long = logs.search("job_1", state, find_text("spike")).items
    assert bar.line == "20% spike"
    assert long.line.startswith("…xxx") and " spikeyyy" in long.line and len(long.line) == 502


ERRORS = [
    "Traceback (most recent call last):", "ValueError: no", "torch.cuda.OutOfMemoryError: CUDA out of memory",
    "RuntimeError: CUDA error: device-side assert", "slurmstepd: error: Detected 1 oom_kill event", "Killed",
    "2026-01-01 FATAL cannot bind", "fatal: not a git repository", "Segmentation fault (core dumped)",
    "ERROR:root:bad", "bash: nvcc: command not found", "OSError: [Errno 28] No space left on device",
    "java.lang.NullPointerException", "Out of memory: OOM-kill",
]  # fmt: skip
FINE = ["0 errors", "mean_absolute_error: 0.3", "error: 0.12", "errors=strict", "loading TerrorBird", "Kills: 3"]


@pytest.mark.parametrize("line", ERRORS)
def test_errors_are_found(line: str) -> None:
    assert list(find_errors(b"fine\n" + line.encode() + b"\nfine\n"))


@pytest.mark.parametrize("line", FINE)
def test_what_only_looks_like_an_error_is_not(line: str) -> None:
    assert not list(find_errors(line.encode()))


def test_errors_come_in_the_order_of_the_log(logs: LogStore) -> None:
    state = logs.append("job_1", LogState(), b"Killed\nfine\nValueError: x Killed\nTraceback (most recent call last)\n")
    assert [m.offset for m in logs.search("job_1", state, find_errors).items] == [0, 12, 33]


@pytest.mark.parametrize("needle", ["", "two\nlines"])
def test_a_needle_is_one_line(needle: str) -> None:
    with pytest.raises(ValueError, match="one line"):
        find_text(needle)


@pytest.mark.parametrize(
    ("data", "ended", "shown"),
    [
        (b"one\ntw", False, b"one\n"),
        (b"one\ntw", True, b"one\ntw"),
        (b"half", False, b""),
        (b"\r10%\r20%", False, b"\r10%\r"),
        (b"one\r", False, b""),
        (b"one\r\n", False, b"one\r\n"),
        (b"x" * LINE_LIMIT, False, b"x" * LINE_LIMIT),
        (b"x" * (LINE_LIMIT - 1) + "é".encode(), False, b"x" * (LINE_LIMIT - 1)),
    ],
)
def test_a_frame_ends_at_a_line_end(data: bytes, ended: bool, shown: bytes) -> None:
    piece = frame(LogSlice(7, data, 7 + len(data)), LogState(7 + len(data)), ended=ended)
    assert (piece.data, piece.next_offset) == (shown, 7 + len(shown))


def test_a_frame_before_the_cut_is_whole() -> None:
    piece = LogSlice(0, b"half", 4)
    assert frame(piece, LogState(100, 4, 50), ended=False) == piece


def test_a_deleted_log_is_gone_and_others_stay(logs: LogStore) -> None:
    state = logs.append("job_1", LogState(), b"one\n")
    logs.append("job_12", LogState(), b"other\n")
    logs.delete("job_1")
    logs.delete("job_1")
    assert logs.read("job_1", state, 0, 99) == LogSlice(4, b"", 4, (0, 4))
    assert logs.read("job_12", LogState(6), 0, 99).data == b"other\n"


def test_a_log_in_a_folder_grows_in_place(tmp_path: Path) -> None:
    logs = LogStore(FolderStore(tmp_path))
    state = logs.append("job_1", LogState(), b"one\n")
    inode = (tmp_path / cell_key("job_1", 0)).stat().st_ino
    logs.append("job_1", state, b"two\n")
    assert (tmp_path / cell_key("job_1", 0)).stat().st_ino == inode

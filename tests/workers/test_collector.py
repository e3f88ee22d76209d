"""The collector's rounds: short however slow the store is, and nothing lost to an engine that fails for a moment."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import pytest

from app.engines.protocol import Engine, EngineError, LogPiece, Observation, Phase, Signal
from app.jobs.models import JobState
from app.stores.logs import LogState, LogStore
from app.stores.objects import open_store
from app.workers.attempts import OpenAttempt
from app.workers.collector import PIECE, SECONDS, SHARE, Collector

APPEND = 0.125  # seconds that the store takes for one piece
LINE_EVERY = APPEND / 4
RUNNING = Observation(phase=Phase.RUNNING, log_size=1 << 40)


class Clock:
    """Seconds that pass only where the store takes them."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class SlowStore(LogStore):
    def __init__(self, clock: Clock) -> None:
        super().__init__(open_store("memory:///"))
        self._clock = clock

    def append(self, job_id: str, state: LogState, data: bytes, limit: int | None = None) -> LogState:
        self._clock.now += APPEND
        return super().append(job_id, state, data, limit)


class Writers:
    """An engine whose attempts have all written the same text so far."""

    def __init__(self, text: Callable[[], bytes]) -> None:
        self.text = text

    def read_log(self, attempt_id: str, handle: str, offset: int, limit: int) -> LogPiece:
        return LogPiece(start=offset, data=self.text()[offset : offset + limit])


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(clock: Clock) -> SlowStore:
    return SlowStore(clock)


def collector(writers: Writers, store: LogStore, clock: Clock) -> Collector:
    return Collector(cast("Engine", writers), store, clock)


def an_attempt(name: str, log: LogState = LogState(), phase: Phase = Phase.RUNNING) -> OpenAttempt:  # noqa: B008
    return OpenAttempt(
        id=f"att_{name}", job_id=f"job_{name}", number=1, phase=phase, handle=name, started_at=None, finished_at=None,
        exit_code=None, signal=None, cause=None, detail="", stop_sent_at=None, stop_hastened=False,
        log_collected=log.size, log_start=0, shares="[]", job_state=JobState.RUNNING, reason_code=None,
        stop_requested_at=None, stop_by=None, stop_at_once=False, stop_signal=Signal.TERM, stop_grace=30.0,
        max_duration=None, memory_tenths=10, log_limit=1 << 30, log=log,
    )  # fmt: skip


def test_a_chatty_job_on_a_slow_store_takes_one_piece_a_round(clock: Clock, store: SlowStore) -> None:
    chatty = Writers(lambda: b"a line\n" * int(1 + clock.now / LINE_EVERY))
    collect = collector(chatty, store, clock)
    first = collect.collect([an_attempt("a")], {"att_a": RUNNING})["att_a"]
    assert clock.now == APPEND
    assert (first.reached, collect.left_over) == (7, False)
    second = collect.collect([an_attempt("a", first.log)], {"att_a": RUNNING})["att_a"]
    assert store.read("job_a", second.log, 0, 999).data == b"a line\n" * 5


def test_a_round_on_a_slow_store_ends_in_time_and_the_next_goes_on(clock: Clock, store: SlowStore) -> None:
    text = b"x" * PIECE * 3
    attempts = [an_attempt(f"{n:02}") for n in range(10)]
    seen = {attempt.id: RUNNING for attempt in attempts}
    collect = collector(Writers(lambda: text), store, clock)
    begun: set[str] = set()
    for _ in range(3):
        began = clock.now
        begun |= collect.collect(attempts, seen).keys()
        assert clock.now - began <= SECONDS + APPEND
        assert collect.left_over
    assert begun == seen.keys()


def test_a_share_leaves_the_rest_to_the_next_round(clock: Clock, store: SlowStore) -> None:
    text = b"x" * (SHARE + 1)
    collect = collector(Writers(lambda: text), store, clock)
    first = collect.collect([an_attempt("a")], {"att_a": RUNNING})["att_a"]
    assert (first.reached, collect.left_over) == (SHARE, True)
    second = collect.collect([an_attempt("a", first.log)], {"att_a": RUNNING})["att_a"]
    assert (second.reached, collect.left_over) == (SHARE + 1, False)


class Failing(Writers):
    """A reading from `at` on fails."""

    def __init__(self, text: bytes, at: int, *, retry: bool) -> None:
        super().__init__(lambda: text)
        self.at: int | None = at
        self._retry = retry

    def read_log(self, attempt_id: str, handle: str, offset: int, limit: int) -> LogPiece:
        if self.at is not None and offset >= self.at:
            raise EngineError("too many open files", retry=self._retry)
        return super().read_log(attempt_id, handle, offset, limit)


def test_a_lost_attempts_log_that_can_not_be_read_for_a_moment_is_stored_whole(clock: Clock, store: SlowStore) -> None:
    text, lost = b"a" * PIECE + b"b", {"att_a": Observation(phase=Phase.LOST)}
    writers = Failing(text, PIECE, retry=True)
    collect = collector(writers, store, clock)
    first = collect.collect([an_attempt("a", phase=Phase.LOST)], lost)["att_a"]
    assert (first.reached, first.complete) == (PIECE, False)
    later = an_attempt("a", first.log, Phase.LOST)
    assert collect.collect([later], lost) == {}
    writers.at = None
    second = collect.collect([later], lost)["att_a"]
    assert store.read("job_a", second.log, PIECE - 1, 9).data == b"ab"


def test_a_log_that_can_never_be_read_again_ends_where_it_stands(clock: Clock, store: SlowStore) -> None:
    collect = collector(Failing(b"a" * PIECE + b"b", PIECE, retry=False), store, clock)
    seen = {"att_a": Observation(phase=Phase.ENDED)}
    ended = collect.collect([an_attempt("a", phase=Phase.ENDED)], seen)["att_a"]
    assert (ended.log.size, ended.reached, ended.complete) == (PIECE, PIECE, True)

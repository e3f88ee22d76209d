"""Copy what attempts have written into the jobs' logs: every byte once, and no talkative job ahead of the others.

A round takes a few seconds at most, however slow the store is, since stops wait for its end.

The bytes are stored first and the rows advanced later, in the round's transaction: after a crash in between, the same
bytes are written to the same place again.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from app.engines.protocol import Engine, EngineError, Observation, Phase
from app.stores.logs import LogState, LogStore
from app.stores.objects import StoreError
from app.workers.attempts import OpenAttempt

log = logging.getLogger("lattice.workers")

PIECE = 256 << 10  # bytes of one read
SHARE = 1 << 20  # bytes that one attempt may have collected in a round
ROUND = 16 << 20  # and all together
SECONDS = 2.0  # that a round takes, and what one piece takes on top of them
NONSENSE = (OSError, ValueError, LookupError, TypeError, AttributeError, RuntimeError)  # what a mistaken answer raises


@dataclass(frozen=True, slots=True)
class Collected:
    """Where an attempt's collection stands after a round; `complete`: it has ended and all of it is stored.

    `waits`: what keeps the store from taking it, as a sentence.
    """

    log: LogState
    reached: int
    complete: bool
    waits: str = ""

    def is_news(self, attempt: OpenAttempt) -> bool:
        return self.log != attempt.log or self.reached != attempt.log_collected


class Collector:
    """One per engine, used by its reconciler's thread alone.

    `left_over`: a bound was reached, so that the last round has left something to the next.
    """

    def __init__(self, engine: Engine, store: LogStore, clock: Callable[[], float] = time.monotonic) -> None:
        self._engine = engine
        self._store = store
        self._clock = clock
        self._next = ""  # the attempt at which the next round begins, so that the last are first some time
        self.left_over = False

    def collect(self, attempts: Iterable[OpenAttempt], seen: Mapping[str, Observation]) -> dict[str, Collected]:
        """Attempt id → where it stands, for those that wrote something or have ended."""
        waiting = [a for a in attempts if a.handle and a.id in seen and _has_more(a, seen[a.id])]
        waiting.sort(key=lambda a: (a.id < self._next, a.id))
        found: dict[str, Collected] = {}
        left, until = ROUND, self._clock() + SECONDS
        self.left_over = False
        for attempt in waiting:
            if left <= 0 or self._clock() >= until:
                self._next, self.left_over = attempt.id, True
                break
            share = min(SHARE, left)
            collected = self._collect_one(attempt, share, until)
            if collected is not None:
                found[attempt.id] = collected
                copied = collected.reached - attempt.log_collected
                left -= copied
                self.left_over |= not collected.complete and (copied >= share or self._clock() >= until)
        return found

    def _collect_one(self, attempt: OpenAttempt, limit: int, until: float) -> Collected | None:
        """Where it stands, as far as it came, or None where an engine's failure kept it where it was.

        What is missing is tried again in the next round. Only an engine that says that it never will be read ends that.
        """
        reached = Collected(attempt.log, attempt.log_collected, complete=False)
        try:
            for further in self._copy(attempt, limit, until):
                reached = further
        except EngineError as error:
            log.warning("the log of attempt %s can't be read: %s", attempt.id, error)
            if not error.retry:
                return replace(reached, complete=True)
            return reached if reached.is_news(attempt) else None
        except StoreError as error:
            log.warning("the log of job %s can't be stored: %s", attempt.job_id, error)
            return replace(reached, waits=str(error))
        except NONSENSE:
            log.exception("the log of attempt %s could not be copied", attempt.id)  # it keeps no other job back
            return reached if reached.is_news(attempt) else None
        return reached

    def _copy(self, attempt: OpenAttempt, limit: int, until: float) -> Iterator[Collected]:
        """Where it stands after each piece, until less is there than was asked for: what comes is the next round's."""
        state, reached = attempt.log, attempt.log_collected
        stop_at = reached + limit
        while reached < stop_at:
            asked = min(PIECE, stop_at - reached)
            piece = self._engine.read_log(attempt.id, attempt.handle or "", reached, asked)
            if piece.start > reached:
                state = self._store.gap(attempt.job_id, state, attempt.log_start + piece.start)
            if piece.data:
                state = self._store.append(attempt.job_id, state, piece.data, attempt.log_limit)
            reached = max(reached, piece.start + len(piece.data))
            yield Collected(state, reached, complete=piece.complete)
            if piece.complete or len(piece.data) < asked or self._clock() >= until:
                return


def _has_more(attempt: OpenAttempt, seen: Observation) -> bool:
    return seen.phase in {Phase.ENDED, Phase.LOST} or seen.log_size > attempt.log_collected

"""The reconciler of one pool: it makes its engine do what the rows say, and the rows say what its engine did.

A round reads the open attempts, talks to the engine outside of any transaction, and applies all that came of it in
one transaction, if its lease still holds. A crash anywhere is met by the next round:

- placed, not submitted: `find` does not know it, so it is submitted (or closed, when a stop came first);
- submitted, its handle not stored: `find` knows it; and were it submitted again, its claim lets only one run;
- ended, not applied: it is observed again; what was collected of its log is written to the same place again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime, timedelta

from app.db import utcnow
from app.engines.protocol import EngineError, Launch, StopOrder, StopReason
from app.pools import service as pools
from app.pools.known import known_pool
from app.pools.models import FAULT_LENGTH, NodePool
from app.site import Site
from app.workers import lease
from app.workers.attempts import OpenAttempt, open_attempts
from app.workers.collector import NONSENSE, Collector
from app.workers.launches import launches
from app.workers.machines import MachineEngine, Machinery
from app.workers.outcome import Outcome

log = logging.getLogger("lattice.workers")

SUBMITS = 32  # a round, so that the running ones are seen to in between
WATCH_EVERY = 0.2  # seconds between rounds while attempts are open: how old a followed log is
LONGEST_RETRY = 60.0
FAULTS = (EngineError, *NONSENSE)


class Reconciler:
    """The worker `engine`. `engine` is asked by its thread alone."""

    name = "engine"
    rest = 0.0

    def __init__(self, site: Site, engine: MachineEngine, pool: NodePool, wake: Callable[[str], None]) -> None:
        self._site = site
        self._db = site.db
        self._engine = engine
        self._pool_id = pool.id
        self._organization_id = pool.organization_id
        self._host_id = site.datadir.host_id
        self._wake = wake
        self._held: lease.Held | None = None
        self._collector = Collector(engine, site.logs)
        self._machinery = Machinery(site, engine, pool)
        self._failed: dict[str, tuple[int, datetime]] = {}  # attempt → failed submits, when to try again
        self._fault = ""

    def round(self) -> float:
        self._held = lease.keep(self._db, self._held, f"pool/{self._pool_id}", self._host_id)
        if self._held is None:
            return 1.0
        now = utcnow()
        try:
            pause = self._reconcile(self._held, now)
            self._machinery.see_to(now)
        except FAULTS as error:
            self._tell_fault(_sentence(error), now)
            raise
        self._tell_fault("", now)
        return pause

    def _reconcile(self, held: lease.Held, now: datetime) -> float:
        with self._db.read() as db:
            attempts = open_attempts(db, self._organization_id, self._pool_id)
            self._fault = known_pool(db, self._pool_id).fault
        self._failed = {a.id: self._failed[a.id] for a in attempts if a.id in self._failed}
        if not attempts:
            return 1.0
        outcome = Outcome(now)
        handles = self._begin(attempts, outcome)
        self._pass_stops(attempts, handles, outcome)
        self._watch(attempts, handles, outcome)
        if outcome.is_news:
            self._held = held = lease.renew(self._db, held) or held  # an engine or a store may have been slow
            with self._db.write() as db:
                lease.check(db, held)
                outcome.apply(db)
        if outcome.frees_room:
            self._wake("scheduler")
        return 0.0 if outcome.more_to_do else WATCH_EVERY

    def _begin(self, attempts: list[OpenAttempt], outcome: Outcome) -> dict[str, str]:
        """The handles of all that an engine knows; what it does not know is submitted, or closed when stopped."""
        handles = {a.id: a.handle for a in attempts if a.handle is not None}
        new = [a for a in attempts if a.handle is None and not a.has_ended]
        found = self._engine.find([a.id for a in new]) if new else {}
        for attempt in new:
            if attempt.id in found:
                handles[attempt.id] = found[attempt.id]
                outcome.began(attempt, found[attempt.id])
            elif attempt.stop_requested_at is not None:
                outcome.never_began(attempt)
        waiting = [a for a in new if a.id not in found and a.stop_requested_at is None and self._is_due(a, outcome.now)]
        handles.update(self._submit(waiting[:SUBMITS], outcome))
        outcome.more_to_do |= len(waiting) > SUBMITS
        return handles

    def _is_due(self, attempt: OpenAttempt, now: datetime) -> bool:
        return attempt.id not in self._failed or self._failed[attempt.id][1] <= now

    def _submit(self, attempts: list[OpenAttempt], outcome: Outcome) -> dict[str, str]:
        if not attempts:
            return {}
        with self._db.read() as db:
            prepared = launches(db, self._site.keyring, [a.id for a in attempts])
        handles: dict[str, str] = {}
        for attempt in attempts:
            launch = prepared[attempt.id]
            if isinstance(launch, str):
                outcome.refused(attempt, launch)
                continue
            handle = self._submit_one(attempt, launch, outcome)
            if handle is not None:
                handles[attempt.id] = handle
        return handles

    def _submit_one(self, attempt: OpenAttempt, launch: Launch, outcome: Outcome) -> str | None:
        try:
            handle = self._engine.submit(launch)
        except FAULTS as error:
            if isinstance(error, EngineError) and not error.retry:
                outcome.refused(attempt, str(error))
                return None
            if not isinstance(error, EngineError):
                log.exception("attempt %s could not be submitted", attempt.id)
            tries = self._failed.get(attempt.id, (0, outcome.now))[0] + 1
            pause = min(LONGEST_RETRY, float(1 << min(tries, 10)))
            self._failed[attempt.id] = (tries, outcome.now + timedelta(seconds=pause))
            outcome.not_yet(attempt, _sentence(error))
            return None
        self._failed.pop(attempt.id, None)
        outcome.began(attempt, handle)
        return handle

    def _pass_stops(self, attempts: list[OpenAttempt], handles: dict[str, str], outcome: Outcome) -> None:
        for attempt in attempts:
            if attempt.id in handles and _needs_order(attempt):
                order = StopOrder(
                    reason=StopReason.REQUESTED, signal=attempt.stop_signal, grace=attempt.stop_grace,
                    at_once=attempt.stop_at_once,
                )  # fmt: skip
                try:
                    self._engine.stop(attempt.id, handles[attempt.id], order)
                except FAULTS as error:
                    log.warning("the stop of attempt %s was not passed on: %s", attempt.id, error)
                    continue
                outcome.stop_passed(attempt)

    def _watch(self, attempts: list[OpenAttempt], handles: dict[str, str], outcome: Outcome) -> None:
        asked = {a.id: handles[a.id] for a in attempts if a.id in handles and not a.has_ended}
        seen = dict(self._engine.observe(asked)) if asked else {}
        seen.update({a.id: a.last_seen for a in attempts if a.has_ended})
        collected = self._collector.collect(attempts, seen)
        for attempt in attempts:
            if attempt.id in seen:
                outcome.observed(attempt, seen[attempt.id], collected.get(attempt.id))
        outcome.more_to_do |= self._collector.left_over

    def _tell_fault(self, fault: str, now: datetime) -> None:
        fault = fault[:FAULT_LENGTH]
        if fault == self._fault:
            return
        with self._db.write() as db:
            pool = db.get(NodePool, self._pool_id)
            assert pool is not None
            pools.mark_fault(db, pool, fault, now)
        self._fault = fault
        self._wake("scheduler")


def _sentence(error: Exception) -> str:
    return str(error) if isinstance(error, EngineError) else f"its engine failed: {type(error).__name__}: {error}"


def _needs_order(attempt: OpenAttempt) -> bool:
    if attempt.stop_requested_at is None or attempt.has_ended:
        return False
    return attempt.stop_sent_at is None or (attempt.stop_at_once and not attempt.stop_hastened)

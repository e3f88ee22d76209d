"""The scheduler as a pure function: `plan(queue, nodes, running, now)` says what starts where, and why the rest waits.

The rule. Jobs are taken by priority, then age, then id. One that fits now starts, on the nodes where it leaves the
least free. One that does not fit gets a reservation, and nobody behind it may delay that:

- If running attempts end in time (all that stand in its way have a known end), it is reserved for the first moment at
  which it fits. A job behind it may use those nodes if it ends by then (`max_duration`), or fits beside it.
- Otherwise its start is unknown. The nodes that lack least are chosen for it, and what is free on them is held up to
  what it needs; only what is left over may be used by others. As attempts end there, the held part grows until
  the job fits. Nodes of which it lacks less may replace them, so that what it lacks only ever shrinks.

Reservations are made for the first `RESERVATIONS` waiting jobs of each kind (a GPU model, or CPUs alone), of which one
may have an unknown start: a queue of large jobs does not idle a whole pool. Since whoever is ahead keeps its place,
a job can only be overtaken for ever by jobs of higher priority.

What comes after a job in the queue never changes what the plan says about it, and the same input gives the same plan.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from app.engines.protocol import Gpu, Share
from app.jobs.availability import NEVER, Amounts, NodeTime, earliest_common, pick_indices
from app.jobs.needs import Alternative, Needs
from app.jobs.reasons import Reason, ReasonCode

RESERVATIONS = 8
OVERDUE = 1.0  # seconds until an attempt that is past its expected end is expected to be gone


class Condition(StrEnum):
    """Whether a node takes new work, and if not, why."""

    OPEN = "open"
    DRAINED = "drained"
    UNREACHABLE = "unreachable"
    DISK_LOW = "disk_low"


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeState:
    """A node with what it has in all; what is free follows from the running attempts."""

    name: str
    cpu_tenths: int
    memory_tenths: int
    gpus: tuple[Gpu, ...] = ()
    condition: Condition = Condition.OPEN


@dataclass(frozen=True, slots=True, kw_only=True)
class QueuedJob:
    """`max_duration`: seconds from its start to its end at the latest, of which `grace` are those of its stop.

    `avoid`: nodes on which it is not to be placed.
    """

    id: str
    needs: Needs
    queued_at: datetime
    priority: int = 0
    max_duration: float | None = None
    grace: float = 0.0
    avoid: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningAttempt:
    """All that was placed and has not ended, and the shares that it holds. `expected_end`: at the latest, if known."""

    id: str
    shares: tuple[Share, ...]
    expected_end: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """One share a node, in rank order; `alternative` is the index of the one chosen in the job's needs."""

    shares: tuple[Share, ...]
    alternative: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Each queued job stands in `placements` or in `reasons`; `starts` has the waiting ones whose start is known."""

    placements: Mapping[str, Placement]
    reasons: Mapping[str, Reason]
    starts: Mapping[str, datetime]


def plan(
    queue: Iterable[QueuedJob], nodes: Iterable[NodeState], running: Iterable[RunningAttempt], now: datetime
) -> Plan:
    """Place what may start now, and say of the rest why it waits and, where known, until when."""
    planner = _Planner(tuple(nodes), tuple(running), now)
    for job in sorted(queue, key=_rank):
        planner.consider(job)
    return Plan(placements=planner.placements, reasons=planner.reasons, starts=planner.starts)


def _rank(job: QueuedJob) -> tuple[int, datetime, str]:
    return (-job.priority, job.queued_at, job.id)


class _Planner:
    def __init__(self, nodes: Sequence[NodeState], running: Sequence[RunningAttempt], now: datetime) -> None:
        self.now = now
        self.placements: dict[str, Placement] = {}
        self.reasons: dict[str, Reason] = {}
        self.starts: dict[str, datetime] = {}
        self._open = [_timed(n) for n in _in_order(nodes) if n.condition is Condition.OPEN]
        self._shut = [(_timed(n), n.condition) for n in _in_order(nodes) if n.condition is not Condition.OPEN]
        self._suited: dict[Amounts, list[NodeTime]] = {}
        self._failed: dict[tuple[Needs, frozenset[str]], tuple[float, Reason]] = {}
        self._reservations: Counter[str | None] = Counter()
        self._unknown_starts: set[str | None] = set()
        self._occupy(running)

    def _occupy(self, running: Sequence[RunningAttempt]) -> None:
        by_name = {node.name: node for node in self._open}
        for attempt in sorted(running, key=lambda a: a.id):
            end = NEVER
            if attempt.expected_end is not None:
                end = max((attempt.expected_end - self.now).total_seconds(), OVERDUE)
            for share in attempt.shares:
                if node := by_name.get(share.node):
                    node.run(Amounts(share.cpu_tenths, share.memory_tenths), share.gpu_indices, end)

    def consider(self, job: QueuedJob) -> None:
        """Place the job, or keep it waiting. What failed once in a plan fails again: nodes only get fuller."""
        duration = NEVER if job.max_duration is None else job.max_duration
        key = (job.needs, job.avoid)
        shortest, reason = self._failed.get(key, (NEVER, None))
        if reason is None or duration < shortest:
            if self._place(job, duration):
                return
            reason = self._why(job)
            self._failed[key] = (duration, reason)
        self.reasons[job.id] = reason
        self._reserve(job, duration)

    def _suitable(self, wanted: Amounts, job: QueuedJob) -> list[NodeTime]:
        """The open nodes that are large enough, without those that the job avoids."""
        suited = self._suited.get(wanted)
        if suited is None:
            suited = self._suited[wanted] = [node for node in self._open if node.could_hold(wanted)]
        return [node for node in suited if node.name not in job.avoid] if job.avoid else suited

    def _place(self, job: QueuedJob, duration: float) -> bool:
        for number, alternative in enumerate(job.needs.alternatives):
            wanted = _amounts(alternative)
            fitting = [node for node in self._suitable(wanted, job) if node.fits(wanted, duration)]
            if len(fitting) >= job.needs.num_nodes:
                chosen = _tightest(fitting, wanted, job.needs.num_nodes)
                shares = tuple(_start(node, wanted, duration) for node in chosen)
                self.placements[job.id] = Placement(shares=shares, alternative=number)
                return True
        return False

    def _reserve(self, job: QueuedJob, duration: float) -> None:
        options = [o for a in job.needs.alternatives if (o := self._option(job, _amounts(a), duration))]
        if not options:
            return
        option = min(options, key=lambda o: (o.start, o.lacking))
        kind = option.wanted.model
        if option.start == NEVER and kind in self._unknown_starts:
            return
        self._reservations[kind] += 1
        if option.start == NEVER:
            self._unknown_starts.add(kind)
        else:
            self.starts[job.id] = self.now + timedelta(seconds=option.start)
        for node in option.nodes:
            if option.start == NEVER:
                node.hold_what_is_free(option.wanted)
            else:
                node.hold_from(option.wanted, option.start, option.start + duration)

    def _option(self, job: QueuedJob, wanted: Amounts, duration: float) -> _Option | None:
        """Where and when this alternative could start; None where it never can, or enough of its kind are reserved."""
        nodes = self._suitable(wanted, job)
        count = job.needs.num_nodes
        if len(nodes) < count or self._reservations[wanted.model] >= RESERVATIONS:
            return None
        windows = [node.windows(wanted, duration) for node in nodes]
        start = earliest_common(windows, count)
        if start == NEVER:
            emptiest = sorted(nodes, key=lambda node: _lack(node, wanted))[:count]
            return _Option(wanted, NEVER, emptiest, tuple(_lack(node, wanted) for node in emptiest))
        ready = [n for n, spans in zip(nodes, windows, strict=True) if any(a <= start <= b for a, b in spans)]
        return _Option(wanted, start, ready[:count], ())

    def _why(self, job: QueuedJob) -> Reason:
        """The reason why the job waits, told of the first alternative that the pool could ever hold."""
        for alternative in job.needs.alternatives:
            wanted = _amounts(alternative)
            nodes = self._suitable(wanted, job)
            if len(nodes) >= job.needs.num_nodes:
                return _what_lacks(job, alternative, wanted, nodes, self.now)
        return self._what_is_shut(job)

    def _what_is_shut(self, job: QueuedJob) -> Reason:
        for alternative in job.needs.alternatives:
            wanted = _amounts(alternative)
            suited = [node for node in self._open if node.could_hold(wanted)]
            if len(suited) >= job.needs.num_nodes:
                return Reason(ReasonCode.NODES_AVOIDED)
            shut = [condition for node, condition in self._shut if node.could_hold(wanted)]
            if len(suited) + len(shut) >= job.needs.num_nodes:
                return Reason(SHUT[Counter(sorted(shut)).most_common(1)[0][0]])
        first = job.needs.first
        many = f"{job.needs.num_nodes} nodes with {first}" if job.needs.num_nodes > 1 else str(first)
        return Reason(ReasonCode.NO_SUCH_NODE, {"wants": many})


SHUT = {
    Condition.DRAINED: ReasonCode.NODES_DRAINED,
    Condition.UNREACHABLE: ReasonCode.NODES_UNREACHABLE,
    Condition.DISK_LOW: ReasonCode.DISK_LOW,
}


@dataclass(frozen=True, slots=True)
class _Option:
    """A reservation that could be made: from `start` on, or at an unknown time on the nodes that lack least."""

    wanted: Amounts
    start: float
    nodes: Sequence[NodeTime]
    lacking: tuple[tuple[int, int, int], ...]


def _what_lacks(
    job: QueuedJob, alternative: Alternative, wanted: Amounts, nodes: Sequence[NodeTime], now: datetime
) -> Reason:
    """The first of GPUs, CPUs and memory of which too few nodes have enough; or that others are ahead."""
    many = {"num_nodes": job.needs.num_nodes}
    tests: tuple[tuple[Callable[[NodeTime], bool], Reason], ...] = (
        (
            lambda n: not wanted.gpus or len(n.free_gpus.get(wanted.model or "", ())) >= wanted.gpus,
            Reason(ReasonCode.WAITING_FOR_GPUS, {"gpus": alternative.gpus, "model": alternative.gpu_model, **many}),
        ),
        (
            lambda n: n.free_cpu >= wanted.cpu,
            Reason(ReasonCode.WAITING_FOR_CPUS, {"cpu_tenths": wanted.cpu, **many}),
        ),
        (
            lambda n: n.free_memory >= wanted.memory,
            Reason(ReasonCode.WAITING_FOR_MEMORY, {"memory_tenths": wanted.memory, **many}),
        ),
    )
    for enough, reason in tests:
        nodes = [node for node in nodes if enough(node)]
        if len(nodes) < job.needs.num_nodes:
            return reason
    longest = sorted((node.fits_until(wanted) for node in nodes), reverse=True)[job.needs.num_nodes - 1]
    before = int((now + timedelta(seconds=longest - job.grace)).timestamp()) if 0 < longest < NEVER else None
    return Reason(ReasonCode.IN_LINE, {"before": before})


def _amounts(a: Alternative) -> Amounts:
    return Amounts(a.cpu_tenths, a.memory_tenths, a.gpus, a.gpu_model.casefold() if a.gpus and a.gpu_model else None)


def _tightest(fitting: Sequence[NodeTime], wanted: Amounts, count: int) -> list[NodeTime]:
    """The nodes that stay the fullest, in the order of their ranks. Work without GPUs keeps off GPUs if it can."""
    if len(fitting) == count:
        return list(fitting)
    order = {id(node): i for i, node in enumerate(fitting)}
    chosen = sorted(fitting, key=lambda node: _leftover(node, wanted))[:count]
    return sorted(chosen, key=lambda node: order[id(node)])


def _leftover(node: NodeTime, wanted: Amounts) -> tuple[int, ...]:
    free_gpus = sum(map(len, node.free_gpus.values()))
    left = (node.free_cpu - wanted.cpu, node.free_memory - wanted.memory)
    if wanted.gpus:
        return (len(node.free_gpus[wanted.model or ""]) - wanted.gpus, node.gpu_count, *left)
    return (node.gpu_count > 0, free_gpus, *left)


def _lack(node: NodeTime, wanted: Amounts) -> tuple[int, int, int]:
    gpus = len(node.free_gpus.get(wanted.model or "", ())) if wanted.gpus else 0
    return (max(wanted.gpus - gpus, 0), max(wanted.cpu - node.free_cpu, 0), max(wanted.memory - node.free_memory, 0))


def _start(node: NodeTime, wanted: Amounts, duration: float) -> Share:
    indices = pick_indices(node.free_gpus[wanted.model or ""], wanted.gpus) if wanted.gpus else ()
    node.run(wanted, indices, duration)
    return Share(node=node.name, cpu_tenths=wanted.cpu, memory_tenths=wanted.memory, gpu_indices=indices)


def _timed(node: NodeState) -> NodeTime:
    return NodeTime(node.name, node.cpu_tenths, node.memory_tenths, node.gpus)


def _in_order(nodes: Iterable[NodeState]) -> list[NodeState]:
    """By name as people count: node-2 before node-10."""
    return sorted(nodes, key=lambda node: _counted(node.name))


def _counted(name: str) -> list[tuple[int, str]]:
    parts = re.split(r"(\d+)", name)
    return [(len(part.lstrip("0")) if i % 2 else 0, part) for i, part in enumerate(parts)]

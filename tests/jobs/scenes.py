"""Small clusters, queues and a clock for the scheduler's tests."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from app.engines.protocol import Gpu, Share
from app.jobs.needs import Alternative, Needs
from app.jobs.placement import Condition, NodeState, Placement, Plan, QueuedJob, RunningAttempt, plan

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def after(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def node(
    name: str,
    gpus: int = 0,
    cpus: int = 64,
    memory: int = 256,
    model: str = "H100",
    condition: Condition = Condition.OPEN,
) -> NodeState:
    cards = tuple(Gpu(index=i, model=model, memory_gib=80) for i in range(gpus))
    return NodeState(name=name, cpu_tenths=cpus * 10, memory_tenths=memory * 10, gpus=cards, condition=condition)


def wants(gpus: int = 0, cpus: int = 1, memory: int = 1, model: str = "H100") -> Alternative:
    return Alternative(gpus=gpus, gpu_model=model if gpus else None, cpu_tenths=cpus * 10, memory_tenths=memory * 10)


def job(
    name: str, *alternatives: Alternative, nodes: int = 1, priority: int = 0, at: float = 0, lasts: float | None = None,
    avoid: frozenset[str] = frozenset(),
) -> QueuedJob:  # fmt: skip
    needs = Needs(alternatives=alternatives or (wants(),), num_nodes=nodes)
    return QueuedJob(id=name, needs=needs, queued_at=after(at), priority=priority, max_duration=lasts, avoid=avoid)


def running(
    name: str, where: str, gpus: tuple[int, ...] = (), cpus: int = 1, ends: float | None = None
) -> RunningAttempt:
    share = Share(node=where, cpu_tenths=cpus * 10, memory_tenths=10, gpu_indices=gpus)
    return RunningAttempt(id=name, shares=(share,), expected_end=None if ends is None else after(ends))


@dataclass
class Cluster:
    """Runs plans over time: an attempt lasts as long as `lasts` says of its job, whatever its `max_duration`."""

    nodes: list[NodeState]
    clock: float = 0
    queue: list[QueuedJob] = field(default_factory=list)
    active: dict[str, tuple[RunningAttempt, float]] = field(default_factory=dict)
    started: dict[str, float] = field(default_factory=dict)

    def step(self, lasts: dict[str, float]) -> Plan:
        self.active = {name: (run, end) for name, (run, end) in self.active.items() if end > self.clock}
        made = plan(self.queue, self.nodes, [run for run, _ in self.active.values()], after(self.clock))
        jobs = {waiting.id: waiting for waiting in self.queue}
        for name, placement in made.placements.items():
            self._start(jobs[name], placement, lasts[name])
        self.queue = [waiting for waiting in self.queue if waiting.id not in made.placements]
        return made

    def _start(self, waiting: QueuedJob, placement: Placement, lasts: float) -> None:
        known = waiting.max_duration
        end = None if known is None else after(self.clock + known)
        attempt = RunningAttempt(id=waiting.id, shares=placement.shares, expected_end=end)
        self.active[waiting.id] = (attempt, self.clock + lasts)
        self.started[waiting.id] = self.clock

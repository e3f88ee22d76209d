"""What requests about node pools answer. CPUs and memory are numbers (GiB), GPUs are whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import orjson

from app.engines.protocol import Gpu, Isolation
from app.jobs.amounts import number
from app.pools import disk
from app.pools.models import NodePool, PoolState, Provider
from app.pools.queries import Held, NodeRoom


@dataclass(frozen=True, slots=True)
class Amounts:
    cpus: int | float
    memory: int | float
    gpus: int


@dataclass(frozen=True, slots=True)
class GpuView:
    """One GPU; `in_use` says that a job holds it, `job_id` and `job_name` which, where that may be seen.

    `fake`: made up by a setting, for demonstration.
    """

    index: int
    model: str
    memory: float
    fake: bool
    in_use: bool
    job_id: str | None
    job_name: str | None


@dataclass(frozen=True, slots=True)
class NodeView:
    """A machine of a pool. `disk_free_percent` is that of the fullest disk that jobs write to, None where not known."""

    id: str
    name: str
    cpus: int | float
    memory: int | float
    used: Amounts
    gpus: list[GpuView]
    facts: dict[str, str]
    disk_free_percent: int | None
    seen_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolSummary:
    """A pool and how full it is. `running` counts jobs that are starting, running or stopping.

    `reason`: why nothing is placed here, or not on each node. `disk_low`: it is open, but every node is short of disk.
    """

    id: str
    name: str
    provider: Provider
    state: PoolState
    reason: str | None
    disk_low: bool
    isolation: Isolation
    capacity: Amounts
    used: Amounts
    num_nodes: int
    queued: int
    running: int
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Defaults:
    """What a job gets that asks for nothing."""

    cpus: int | float
    memory: int | float


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """`max_stop_grace` in seconds, `log_limit` in bytes."""

    max_stop_grace: float
    log_limit: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolMay:
    change: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolDetail(PoolSummary):
    """The whole pool. `cgroups` says what limits jobs on its nodes: v1, v2 or none.

    `isolations` are those that its nodes can do; `no_isolations` says of each other one what is missing.
    """

    isolations: list[Isolation]
    no_isolations: dict[str, str]
    cgroups: str | None
    nodes: list[NodeView]
    defaults: Defaults
    limits: Limits
    may: PoolMay


def node_view(room: NodeRoom, names: Mapping[str, str]) -> NodeView:
    """`names` has the names of those jobs that whoever asks may see."""
    node = room.node
    used = Amounts(number(room.held_cpu_tenths), number(room.held_memory_tenths), len(room.holders))
    gpus = [_gpu_view(gpu, room.holders.get(gpu.index), names) for gpu in room.gpus]
    return NodeView(
        node.id, node.name, number(node.cpu_tenths), number(node.memory_tenths), used, gpus,
        orjson.loads(node.facts), node.disk_free_percent, node.seen_at,
    )  # fmt: skip


def _gpu_view(gpu: Gpu, holder: str | None, names: Mapping[str, str]) -> GpuView:
    name = names.get(holder or "")
    seen = holder if name is not None else None
    return GpuView(gpu.index, gpu.model, gpu.memory_gib, gpu.fake, holder is not None, seen, name)


def capacity_of(rooms: list[NodeRoom]) -> Amounts:
    return Amounts(
        number(sum(room.node.cpu_tenths for room in rooms)),
        number(sum(room.node.memory_tenths for room in rooms)),
        sum(len(room.gpus) for room in rooms),
    )


def pool_summary(pool: NodePool, rooms: list[NodeRoom], held: Held, counts: tuple[int, int]) -> PoolSummary:
    short = disk.shortage([(room.node.name, room.node.disk_free_percent) for room in rooms])
    every = pool.state is PoolState.OPEN and short is not None and all(room.is_disk_low for room in rooms)
    return PoolSummary(
        id=pool.id, name=pool.name, provider=pool.provider, state=pool.state, reason=pool.reason or short,
        disk_low=every,
        isolation=pool.isolation, capacity=capacity_of(rooms), num_nodes=len(rooms),
        used=Amounts(number(held.cpu_tenths), number(held.memory_tenths), held.gpus),
        queued=counts[0], running=counts[1], created_at=pool.created_at,
    )  # fmt: skip


def pool_detail(
    pool: NodePool,
    rooms: list[NodeRoom],
    held: Held,
    counts: tuple[int, int],
    *,
    names: Mapping[str, str],
    may_change: bool,
) -> PoolDetail:
    summary = pool_summary(pool, rooms, held, counts)
    nodes = [node_view(room, names) for room in rooms]
    isolations: dict[str, str | None] = orjson.loads(pool.isolations)
    return PoolDetail(
        **{name: getattr(summary, name) for name in PoolSummary.__slots__},
        isolations=[Isolation(name) for name, why_not in isolations.items() if why_not is None],
        no_isolations={name: why_not for name, why_not in isolations.items() if why_not is not None},
        cgroups=next((node.facts["cgroups"] for node in nodes if "cgroups" in node.facts), None),
        nodes=nodes,
        defaults=Defaults(cpus=number(pool.default_cpu_tenths), memory=number(pool.default_memory_tenths)),
        limits=Limits(max_stop_grace=pool.max_stop_grace, log_limit=pool.log_limit),
        may=PoolMay(change=may_change),
    )

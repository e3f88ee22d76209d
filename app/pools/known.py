"""A pool as decisions about jobs need it, read in one or two lean statements: a submit asks for it each time."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import Row, bindparam, select
from sqlmodel import Session

from app.engines.protocol import Gpu, Isolation, NodeReport
from app.jobs.pool_facts import PoolFacts
from app.pools.models import NODE, POOL, PoolState, Provider, reason_of, state_of
from app.pools.queries import NodeRoom, fill_rooms
from app.pools.shares import load_gpus

_COLUMNS = (
    POOL.c.id, POOL.c.organization_id, POOL.c.name, POOL.c.provider, POOL.c.isolation, POOL.c.drained,
    POOL.c.drain_reason, POOL.c.fault, POOL.c.default_cpu_tenths, POOL.c.default_memory_tenths, POOL.c.max_stop_grace,
)  # fmt: skip
_OF_ORGANIZATION = select(*_COLUMNS).where(POOL.c.organization_id == bindparam("organization")).order_by(POOL.c.name)
_ONE = select(*_COLUMNS).where(POOL.c.id == bindparam("pool"))
_NODES = (
    select(NODE.c.name, NODE.c.cpu_tenths, NODE.c.memory_tenths, NODE.c.gpus, NODE.c.disk_free_percent)
    .where(NODE.c.organization_id == bindparam("organization"), NODE.c.pool_id == bindparam("pool"))
    .order_by(NODE.c.name)
)


@dataclass(frozen=True, slots=True)
class KnownPool:
    """Its columns; see `NodePool`."""

    id: str
    organization_id: str
    name: str
    provider: Provider
    isolation: Isolation
    drained: bool
    drain_reason: str
    fault: str
    default_cpu_tenths: int
    default_memory_tenths: int
    max_stop_grace: float

    @property
    def state(self) -> PoolState:
        return state_of(self.fault, drained=self.drained)

    @property
    def reason(self) -> str | None:
        """One sentence on why nothing is placed here, or None."""
        return reason_of(self.fault, self.drain_reason if self.drained else "")


def known_pools(db: Session, organization_id: str) -> list[KnownPool]:
    """Every pool of the organization, by name."""
    return [KnownPool(*row) for row in db.connection().execute(_OF_ORGANIZATION, {"organization": organization_id})]


def known_pool(db: Session, pool_id: str) -> KnownPool:
    return KnownPool(*db.connection().execute(_ONE, {"pool": pool_id}).one())


def facts_of(db: Session, pool: KnownPool) -> PoolFacts:
    """What a specification is held against."""
    return _facts(pool, tuple((n.name, n.cpu_tenths, n.memory_tenths, n.gpus) for n in node_rows(db, pool)))


@lru_cache(maxsize=64)
def _facts(pool: KnownPool, nodes: tuple[tuple[str, int, int, str], ...]) -> PoolFacts:
    return PoolFacts(
        name=pool.name, provider=pool.provider.value, isolation=pool.isolation,
        nodes=tuple(
            NodeReport(name=name, cpu_tenths=cpus, memory_tenths=memory, gpus=_gpus(gpus))
            for name, cpus, memory, gpus in nodes
        ),
        default_cpu_tenths=pool.default_cpu_tenths, default_memory_tenths=pool.default_memory_tenths,
        max_stop_grace=pool.max_stop_grace,
    )  # fmt: skip


def has_fake_gpus(db: Session, pool: KnownPool) -> bool:
    """Whether GPUs of the pool are made up by a setting, for demonstration."""
    return any(gpu.fake for node in node_rows(db, pool) for gpu in _gpus(node.gpus))


def rooms_of(db: Session, pool: KnownPool) -> list[NodeRoom]:
    """Each node of the pool with what is held of it."""
    rooms = [NodeRoom(row, _gpus(row.gpus)) for row in node_rows(db, pool)]
    return fill_rooms(db, pool.organization_id, pool.id, rooms)


def node_rows(db: Session, pool: KnownPool) -> list[Row[Any]]:
    """The rows of its nodes, by name."""
    return list(db.connection().execute(_NODES, {"organization": pool.organization_id, "pool": pool.id}))


@lru_cache(maxsize=256)
def _gpus(stored: str) -> tuple[Gpu, ...]:
    return load_gpus(stored)

"""A pool as a specification is held against it: what its nodes have, and what jobs get that ask for nothing."""

from __future__ import annotations

from functools import lru_cache

from sqlmodel import Session

from app.engines.protocol import Gpu, NodeReport
from app.jobs.pool_facts import PoolFacts
from app.pools.models import Node, NodePool
from app.pools.queries import nodes_of
from app.pools.shares import load_gpus


def facts_of(db: Session, pool: NodePool) -> PoolFacts:
    return PoolFacts(
        name=pool.name, provider=pool.provider.value, isolation=pool.isolation,
        nodes=tuple(_report(node) for node in nodes_of(db, pool)), default_cpu_tenths=pool.default_cpu_tenths,
        default_memory_tenths=pool.default_memory_tenths, max_stop_grace=pool.max_stop_grace,
    )  # fmt: skip


def _report(node: Node) -> NodeReport:
    return NodeReport(
        name=node.name, cpu_tenths=node.cpu_tenths, memory_tenths=node.memory_tenths, gpus=_gpus(node.gpus)
    )


@lru_cache(maxsize=256)
def _gpus(stored: str) -> tuple[Gpu, ...]:
    return load_gpus(stored)

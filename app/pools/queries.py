"""Named queries over node pools: what they have, what of it is held, and by which jobs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Row, func, select
from sqlmodel import Session, col
from sqlmodel import select as select_rows

from app.engines.protocol import Gpu, Share
from app.jobs.models import ATTEMPT, TOTAL, JobState
from app.pools import disk
from app.pools.models import NODE, Node, NodePool, Provider
from app.pools.shares import load_gpus, load_shares


@dataclass(slots=True)
class NodeRoom:
    """A node and what running attempts hold of it. `holders`: GPU index → job id."""

    node: Node | Row[Any]
    gpus: tuple[Gpu, ...]
    held_cpu_tenths: int = 0
    held_memory_tenths: int = 0
    holders: dict[int, str] = field(default_factory=dict)

    def hold(self, share: Share, job_id: str) -> None:
        self.held_cpu_tenths += share.cpu_tenths
        self.held_memory_tenths += share.memory_tenths
        self.holders.update(dict.fromkeys(share.gpu_indices, job_id))

    @property
    def is_disk_low(self) -> bool:
        """Whether nothing is placed here until there is more free disk."""
        return disk.is_low(self.node.disk_free_percent)

    def free_gpus(self, model: str | None) -> int:
        """Free GPUs of that model; of any where it is None."""
        wanted = model.casefold() if model else None
        free = [gpu for gpu in self.gpus if gpu.index not in self.holders]
        return sum(1 for gpu in free if wanted is None or gpu.model.casefold() == wanted)


@dataclass(frozen=True, slots=True)
class Held:
    """What the unfinished attempts of a pool hold together."""

    cpu_tenths: int = 0
    memory_tenths: int = 0
    gpus: int = 0


def pools_of(db: Session, organization_id: str) -> list[NodePool]:
    """Every pool of the organization, by name."""
    query = select_rows(NodePool).where(NodePool.organization_id == organization_id)
    return list(db.exec(query.order_by(col(NodePool.name))))


def pool_named(db: Session, organization_id: str, name_or_id: str) -> NodePool | None:
    """The pool of that name or id, in this organization."""
    column = col(NodePool.id) if name_or_id.startswith("pool_") else col(NodePool.name)
    query = select_rows(NodePool).where(NodePool.organization_id == organization_id, column == name_or_id)
    return db.exec(query).one_or_none()


def local_pool(db: Session, host_id: str) -> NodePool | None:
    """The pool `local` of the machine with that id."""
    return db.exec(
        select_rows(NodePool).where(NodePool.provider == Provider.LOCAL, NodePool.host_id == host_id)
    ).one_or_none()


def nodes_of(db: Session, pool: NodePool) -> list[Node]:
    query = select_rows(Node).where(Node.organization_id == pool.organization_id, Node.pool_id == pool.id)
    return list(db.exec(query.order_by(col(Node.name))))


def least_free_disk(db: Session) -> list[tuple[str, int]]:
    """Id and the free percent of the fullest node's disk, of every pool where that is known."""
    least = select(NODE.c.pool_id, func.min(NODE.c.disk_free_percent))
    known = least.where(NODE.c.disk_free_percent.is_not(None)).group_by(NODE.c.pool_id)
    return [(pool_id, percent) for pool_id, percent in db.execute(known)]


def unfinished_attempts(db: Session, organization_id: str, pool_id: str) -> list[Row[Any]]:
    """The attempts that hold their shares: placed, and not known to have ended."""
    columns = (ATTEMPT.c.id, ATTEMPT.c.job_id, ATTEMPT.c.shares, ATTEMPT.c.started_at)
    return list(db.execute(select(*columns).where(*holding_shares(organization_id, pool_id)).order_by(ATTEMPT.c.id)))


def rooms(db: Session, pool: NodePool) -> list[NodeRoom]:
    """Each node of the pool with what is held of it."""
    empty = [NodeRoom(node, load_gpus(node.gpus)) for node in nodes_of(db, pool)]
    return fill_rooms(db, pool.organization_id, pool.id, empty)


def fill_rooms(db: Session, organization_id: str, pool_id: str, rooms: list[NodeRoom]) -> list[NodeRoom]:
    """Note in the rooms of a pool what its unfinished attempts hold."""
    by_name = {room.node.name: room for room in rooms}
    for attempt in unfinished_attempts(db, organization_id, pool_id):
        for share in load_shares(attempt.shares):
            if share.node in by_name:
                by_name[share.node].hold(share, attempt.job_id)
    return rooms


def held(db: Session, pool: NodePool) -> Held:
    sums = (func.sum(ATTEMPT.c.cpu_tenths), func.sum(ATTEMPT.c.memory_tenths), func.sum(ATTEMPT.c.gpus))
    cpu, memory, gpus = db.execute(select(*sums).where(*holding_shares(pool.organization_id, pool.id))).one()
    return Held(int(cpu or 0), int(memory or 0), int(gpus or 0))


def job_counts(db: Session, pool: NodePool) -> tuple[int, int]:
    """Queued jobs of the pool, and those that are starting, running or stopping."""
    query = select(TOTAL.c.state, TOTAL.c["count"].label("jobs")).where(
        TOTAL.c.organization_id == pool.organization_id, TOTAL.c.pool_id == pool.id
    )
    counts: dict[JobState, int] = {row.state: row.jobs for row in db.execute(query)}
    busy = (JobState.STARTING, JobState.RUNNING, JobState.STOPPING)
    return counts.get(JobState.QUEUED, 0), sum(counts.get(state, 0) for state in busy)


def holding_shares(organization_id: str, pool_id: str) -> tuple[Any, ...]:
    """The conditions of attempts of the pool that hold their shares."""
    return (
        ATTEMPT.c.organization_id == organization_id, ATTEMPT.c.pool_id == pool_id,
        ATTEMPT.c.closed_at.is_(None), ATTEMPT.c.finished_at.is_(None),
    )  # fmt: skip

"""Node pools and their nodes, as workers last saw them. A request reads these rows and never asks an engine.

What people decide (drained, isolation, defaults) and what workers see (fault, nodes) stand in columns of
their own, so that neither overwrites the other.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import BigInteger, Column, Index, Text, UniqueConstraint
from sqlmodel import Field, SQLModel

from app.db import EnumText, UtcDateTime
from app.engines.protocol import Isolation


class Provider(StrEnum):
    """Where a pool's machines come from; each has an engine."""

    LOCAL = "local"


FAULT_LENGTH = 500  # characters


class PoolState(StrEnum):
    OPEN = "open"
    DRAINED = "drained"  # by a person or a setting: running jobs finish, nothing new is placed
    UNREACHABLE = "unreachable"  # its engine does not answer


def state_of(fault: str, *, drained: bool) -> PoolState:
    if fault:
        return PoolState.UNREACHABLE
    return PoolState.DRAINED if drained else PoolState.OPEN


def reason_of(fault: str, drain_reason: str) -> str | None:
    """What stands in the way, the fault first; `drain_reason` is empty for a pool that is not drained."""
    return fault or drain_reason or None


class NodePool(SQLModel, table=True):
    """A place where work runs. Durations in seconds, CPUs and memory in tenths (of a CPU, of a GiB)."""

    __tablename__ = "node_pool"
    __table_args__ = (UniqueConstraint("organization_id", "name"),)

    id: str = Field(primary_key=True, max_length=40)
    organization_id: str = Field(max_length=40, foreign_key="organization.id")
    name: str = Field(max_length=63)
    provider: Provider = Field(sa_column=Column(EnumText(Provider), nullable=False))
    host_id: str | None = Field(default=None, max_length=64)  # the machine that a local pool belongs to
    created_at: datetime = Field(sa_type=UtcDateTime)

    drained: bool = False
    drain_reason: str = Field(default="", max_length=500)
    fault: str = Field(default="", max_length=FAULT_LENGTH)  # why its engine can't be reached; empty while it can
    fault_since: datetime | None = Field(default=None, sa_type=UtcDateTime)

    isolation: Isolation = Field(sa_column=Column(EnumText(Isolation), nullable=False))
    isolations: str = Field(default="{}", sa_type=Text)  # JSON: {"none": null, "user": "why its nodes can't", …}
    offers: str = Field(default="[]", sa_type=Text)  # JSON: the sizes that can be had here, with prices
    default_cpu_tenths: int = 10
    default_memory_tenths: int = 10
    max_stop_grace: float = 900
    log_limit: int = Field(default=1 << 30, sa_type=BigInteger)

    @property
    def state(self) -> PoolState:
        return state_of(self.fault, drained=self.drained)

    @property
    def reason(self) -> str | None:
        """One sentence on why nothing is placed here, or None."""
        return reason_of(self.fault, self.drain_reason if self.drained else "")


class Node(SQLModel, table=True):
    """A machine of a pool: what it has in all, not what is free."""

    __tablename__ = "node"
    __table_args__ = (
        UniqueConstraint("pool_id", "name"),
        Index(None, "organization_id", "pool_id", "id"),
    )

    id: str = Field(primary_key=True, max_length=40)
    organization_id: str = Field(max_length=40)
    pool_id: str = Field(max_length=40, foreign_key="node_pool.id")
    name: str = Field(max_length=255)
    cpu_tenths: int
    memory_tenths: int
    gpus: str = Field(default="[]", sa_type=Text)  # JSON: [{"index", "model", "memory_gib", "fake"}]
    facts: str = Field(default="{}", sa_type=Text)  # JSON: {"cgroups": "v2", …}
    disk_free_percent: int | None = None  # of the disk that jobs write to; None: not known
    seen_at: datetime = Field(sa_type=UtcDateTime)


POOL = SQLModel.metadata.tables["node_pool"]
NODE = SQLModel.metadata.tables["node"]

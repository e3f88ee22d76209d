"""What moves by itself and is told when a reason is read: free counts, the place in line, a pool that is drained."""

from __future__ import annotations

from typing import Any

import orjson
from sqlalchemy import Row
from sqlmodel import Session

from app.jobs.models import JobState
from app.jobs.reasons import Live, Reason, ReasonCode
from app.jobs.states import ACTIVE
from app.pools import queries as pools
from app.pools.models import NodePool
from app.pools.queries import NodeRoom

WAITS_FOR_ROOM = frozenset({
    ReasonCode.WAITING_FOR_GPUS, ReasonCode.WAITING_FOR_CPUS, ReasonCode.WAITING_FOR_MEMORY,
})  # fmt: skip


class LiveReader:
    """One per answer: it reads a pool, and what is free there, once and only where a reason tells of it."""

    def __init__(self, db: Session) -> None:
        self._db = db
        self._pools: dict[str, NodePool] = {}
        self._rooms: dict[str, list[NodeRoom]] = {}

    def reason(self, row: Row[Any], position: int | None) -> str | None:
        """The sentence for a job's row, or None where its state says it all."""
        if row.state in ACTIVE and (fault := self._pool(row.pool_id).fault):
            return f"{Reason(ReasonCode.NOT_ANSWERING).sentence(Live(pool=row.pool))}: {fault}"
        if row.reason_code is None:
            return None
        code = ReasonCode(row.reason_code) if row.reason_code in set(ReasonCode) else None
        if code is None:
            return str(row.reason_code).replace("_", " ")
        if code is ReasonCode.SUBMITTED and position is not None and position > 1:
            code = ReasonCode.IN_LINE
        args = orjson.loads(row.reason_args)
        live = self._live(row, code, args, position) if row.state is JobState.QUEUED else Live(pool=row.pool)
        return Reason(code, args).sentence(live)

    def _live(self, row: Row[Any], code: ReasonCode, args: dict[str, Any], position: int | None) -> Live:
        ahead = None if position is None else position - 1
        if code not in WAITS_FOR_ROOM:
            pool = self._pool(row.pool_id)
            return Live(pool=row.pool, pool_reason=pool.reason, ahead=ahead)
        rooms = self._room(row.pool_id)
        gpus = [room.free_gpus(args.get("model")) for room in rooms]
        cpus = [max(0, room.node.cpu_tenths - room.held_cpu_tenths) for room in rooms]
        memory = [max(0, room.node.memory_tenths - room.held_memory_tenths) for room in rooms]
        return Live(
            pool=row.pool, ahead=ahead, free_gpus=sum(gpus), most_gpus=max(gpus, default=0),
            free_cpu_tenths=sum(cpus), most_cpu_tenths=max(cpus, default=0),
            free_memory_tenths=sum(memory), most_memory_tenths=max(memory, default=0),
        )  # fmt: skip

    def _pool(self, pool_id: str) -> NodePool:
        if pool_id not in self._pools:
            pool = self._db.get(NodePool, pool_id)
            assert pool is not None
            self._pools[pool_id] = pool
        return self._pools[pool_id]

    def _room(self, pool_id: str) -> list[NodeRoom]:
        if pool_id not in self._rooms:
            self._rooms[pool_id] = pools.rooms(self._db, self._pool(pool_id))
        return self._rooms[pool_id]

"""What moves by itself and is told when a reason is read: free counts, the place in line, a pool that is drained."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from sqlmodel import Session

from app.jobs.models import JobState
from app.jobs.queries import user_name
from app.jobs.reasons import Live, Reason, ReasonCode, plain_sentence
from app.jobs.states import ACTIVE
from app.pools.known import KnownPool, known_pool, rooms_of
from app.pools.queries import NodeRoom

WAITS_FOR_ROOM = frozenset({
    ReasonCode.WAITING_FOR_GPUS, ReasonCode.WAITING_FOR_CPUS, ReasonCode.WAITING_FOR_MEMORY,
})  # fmt: skip
CODES: Mapping[str, ReasonCode] = {code.value: code for code in ReasonCode}


class LiveReader:
    """One per answer: it reads a pool, and what is free there, once and only where a reason tells of it."""

    def __init__(self, db: Session, *pools: KnownPool) -> None:
        self._db = db
        self._pools = {pool.id: pool for pool in pools}
        self._rooms: dict[str, list[NodeRoom]] = {}
        self._names: dict[str | None, str | None] = {}  # of those who stopped jobs
        self._said: dict[tuple[Any, ...], str] = {}  # most jobs of a list wait for the same

    def reason(self, row: Any, position: int | None) -> str:
        """The sentence for a job's row."""
        if row.state in ACTIVE and (fault := self._pool(row).fault):
            return f"{Reason(ReasonCode.NOT_ANSWERING).sentence(Live(pool=row.pool))}: {fault}"
        if row.state in ACTIVE and row.is_told and row.reason_code != ReasonCode.LOG_WAITS:
            return self._stopping(row)
        if row.reason_code is None:
            return plain_sentence(row.state, row.pool)
        code = CODES.get(row.reason_code)
        if code is None:
            return str(row.reason_code).replace("_", " ")
        if code is ReasonCode.SUBMITTED and position is not None and position > 1:
            code = ReasonCode.IN_LINE
        ahead = position - 1 if code is ReasonCode.IN_LINE and position is not None else None
        key = (row.pool_id, row.state, code, row.reason_args, ahead)
        if key not in self._said:
            self._said[key] = self._sentence(row, code, ahead)
        return self._said[key]

    def _stopping(self, row: Any) -> str:
        """Told from the intent itself, so that the answer to a stop has it before a worker has seen it."""
        if row.stop_by not in self._names:
            self._names[row.stop_by] = user_name(self._db, row.stop_by) if row.stop_by else None
        code = ReasonCode.STOPPING_NOW if row.stop_at_once else ReasonCode.STOPPING
        return Reason(code, {"by": self._names[row.stop_by], "grace": row.stop_grace}).sentence()

    def _sentence(self, row: Any, code: ReasonCode, ahead: int | None) -> str:
        args = orjson.loads(row.reason_args)
        live = self._live(row, code, args, ahead) if row.state is JobState.QUEUED else Live(pool=row.pool)
        return Reason(code, args).sentence(live)

    def _live(self, row: Any, code: ReasonCode, args: dict[str, Any], ahead: int | None) -> Live:
        if code not in WAITS_FOR_ROOM:
            return Live(pool=row.pool, pool_reason=self._pool(row).reason, ahead=ahead)
        rooms = [room for room in self._room(row) if not room.is_disk_low]
        gpus = [room.free_gpus(args.get("model")) for room in rooms]
        cpus = [max(0, room.node.cpu_tenths - room.held_cpu_tenths) for room in rooms]
        memory = [max(0, room.node.memory_tenths - room.held_memory_tenths) for room in rooms]
        return Live(
            pool=row.pool, free_gpus=sum(gpus), most_gpus=max(gpus, default=0),
            free_cpu_tenths=sum(cpus), most_cpu_tenths=max(cpus, default=0),
            free_memory_tenths=sum(memory), most_memory_tenths=max(memory, default=0),
        )  # fmt: skip

    def _pool(self, row: Any) -> KnownPool:
        if row.pool_id not in self._pools:
            self._pools[row.pool_id] = known_pool(self._db, row.pool_id)
        return self._pools[row.pool_id]

    def _room(self, row: Any) -> list[NodeRoom]:
        if row.pool_id not in self._rooms:
            self._rooms[row.pool_id] = rooms_of(self._db, self._pool(row))
        return self._rooms[row.pool_id]

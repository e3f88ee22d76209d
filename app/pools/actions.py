"""Node pools, as operations. Engines are never asked here: what is shown was stored by a worker."""

from __future__ import annotations

from app.jobs.queries import Reader, names_of
from app.pools import queries, service
from app.pools.answers import NodeView, PoolDetail, PoolSummary, node_view, pool_detail, pool_summary
from app.pools.bodies import PoolUpdate
from app.pools.models import NodePool
from app.pools.queries import NodeRoom
from app.web.action import Action, Mount, Role, Scope
from app.web.ask import Ask
from app.web.paging import ListQuery, Page
from app.web.problems import Invalid


def list_pools(ask: Ask) -> Page[PoolSummary]:
    q: ListQuery = ask.query
    after = q.after(str)
    pools = [p for p in queries.pools_of(ask.db, ask.organization_id) if after is None or p.name > after[0]]
    return q.page(pools[: q.limit + 1], key=lambda pool: (pool.name,), item=lambda pool: _summary(ask, pool))


def show_pool(ask: Ask, pool: NodePool) -> PoolDetail:
    me = ask.principal
    rooms = queries.rooms(ask.db, pool)
    return pool_detail(
        pool, rooms, queries.held(ask.db, pool), queries.job_counts(ask.db, pool), names=_names(ask, rooms),
        may_change=me.is_admin and me.has_scope(Scope.NODEPOOLS_WRITE),
    )  # fmt: skip


def update_pool(ask: Ask, pool: NodePool, body: PoolUpdate) -> PoolDetail:
    """Drain or open a pool, choose its isolation, set its defaults and limits."""
    service.change(ask.db, pool, body.columns(), ask.actor)
    if body.drained is False:
        service.reopen(ask.db, pool, ask.actor)
    elif body.drained or pool.drained:
        service.drain(ask.db, pool, body.reason_after(pool.drain_reason), ask.actor)
    elif body.drain_reason:
        raise Invalid.field("drain_reason", f"Pool {pool.name} is open: drain it too, with drained: true.")
    ask.wake("scheduler")
    return show_pool(ask, pool)


def list_nodes(ask: Ask, pool: NodePool) -> Page[NodeView]:
    q: ListQuery = ask.query
    after = q.after(str)
    rooms = [room for room in queries.rooms(ask.db, pool) if after is None or room.node.name > after[0]]
    names = _names(ask, rooms)
    return q.page(rooms[: q.limit + 1], key=lambda room: (room.node.name,), item=lambda room: node_view(room, names))


def _names(ask: Ask, rooms: list[NodeRoom]) -> dict[str, str]:
    """The names of the jobs that hold GPUs, of those that may be seen."""
    holders = {job_id for room in rooms for job_id in room.holders.values()}
    return names_of(ask.db, Reader.of(ask.principal), holders)


def _summary(ask: Ask, pool: NodePool) -> PoolSummary:
    return pool_summary(pool, queries.rooms(ask.db, pool), queries.held(ask.db, pool), queries.job_counts(ask.db, pool))


ACTIONS = [
    Action("GET", "/node-pools", list_pools, query=ListQuery, page="node-pools/index.html"),
    Action("GET", "/node-pools/{id}", show_pool, thing=NodePool, page="node-pools/show.html"),
    Action(
        "PATCH", "/node-pools/{id}", update_pool, thing=NodePool, needs=Scope.NODEPOOLS_WRITE, role=Role.ADMIN,
        body=PoolUpdate, form="/node-pools/{id}",
    ),
    Action("GET", "/node-pools/{id}/nodes", list_nodes, thing=NodePool, query=ListQuery, mount=Mount.JSON),
]  # fmt: skip

"""Decisions about node pools: a machine's own pool, draining, isolation, defaults. Callers commit."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

import orjson
from sqlmodel import Session

from app import events
from app.db import new_id
from app.engines.protocol import Isolation, NodeReport, Offer
from app.pools import disk, queries
from app.pools.models import FAULT_LENGTH, Node, NodePool, Provider
from app.pools.shares import dump_gpus
from app.settings import Settings
from app.web.ask import Actor
from app.web.problems import FieldError, Invalid

IN_CONTAINER = "the server runs in a container: set LATTICE_LOCAL_POOL=on to run jobs inside it"
SWITCHED_OFF = "LATTICE_LOCAL_POOL is off"
SHOWN_AS: Mapping[str, tuple[str, int | None]] = {  # column → the field of the API, and how many make one of its units
    "default_cpu_tenths": ("defaults.cpus", 10),
    "default_memory_tenths": ("defaults.memory", 10),
    "max_stop_grace": ("limits.max_stop_grace", None),
    "log_limit": ("limits.log_limit", None),
}
BY_SETTING = frozenset({IN_CONTAINER, SWITCHED_OFF})  # a drain that a setting made, a setting undoes


@dataclass(frozen=True, slots=True, kw_only=True)
class Machines:
    """What an engine says of its pool. `isolations`: each with None where it can be used, else why not.

    `strangers`: attempts at work there that the database does not know, each with its supervisor's process id.
    """

    reports: Sequence[NodeReport]
    offers: Sequence[Offer]
    isolations: Mapping[Isolation, str | None]
    disk_free_percent: int | None = None
    strangers: Mapping[str, int] = field(default_factory=dict)


def ensure_local_pool(
    db: Session, organization_id: str, host_id: str, *, seen: Machines, settings: Settings, now: datetime
) -> NodePool:
    """The pool of this machine, made at its first start; later starts change only what LATTICE_LOCAL_POOL says.

    Its isolation is chosen when it is made: a user for each job where the server can do that, else none.
    """
    pool = queries.local_pool(db, host_id)
    if pool is None:
        pool = _new_local_pool(db, organization_id, host_id, seen=seen, settings=settings, now=now)
        db.add(pool)
        db.flush()
        _record(db, pool, "created", Actor.system(pool.organization_id))
    reason = _drained_by_setting(settings)
    if reason is not None and not pool.drained:
        drain(db, pool, reason, Actor.system(pool.organization_id))
    elif reason is None and pool.drain_reason in BY_SETTING:
        reopen(db, pool, Actor.system(pool.organization_id))
    see_machines(db, pool, seen, now)
    return pool


def _new_local_pool(
    db: Session, organization_id: str, host_id: str, *, seen: Machines, settings: Settings, now: datetime
) -> NodePool:
    taken = queries.pool_named(db, organization_id, "local") is not None
    as_user = os.geteuid() == 0 and Isolation.USER in seen.isolations and seen.isolations[Isolation.USER] is None
    return NodePool(
        id=new_id("pool"), organization_id=organization_id, name=f"local-{host_id[-8:]}" if taken else "local",
        provider=Provider.LOCAL, host_id=host_id, created_at=now,
        isolation=Isolation.USER if as_user else Isolation.NONE,
        max_stop_grace=settings.lattice_max_stop_grace, log_limit=settings.lattice_log_limit,
    )  # fmt: skip


def _drained_by_setting(settings: Settings) -> str | None:
    if settings.lattice_local_pool == "off":
        return SWITCHED_OFF
    return IN_CONTAINER if settings.lattice_in_container and settings.lattice_local_pool != "on" else None


def see_machines(db: Session, pool: NodePool, seen: Machines, now: datetime) -> None:
    """Keep what the engine said of the pool; a node that it no longer names is removed."""
    known = {node.name: node for node in queries.nodes_of(db, pool)}
    _note_disk(db, pool, any(disk.is_low(node.disk_free_percent) for node in known.values()), seen.disk_free_percent)
    for report in seen.reports:
        columns: dict[str, Any] = {
            "cpu_tenths": report.cpu_tenths, "memory_tenths": report.memory_tenths, "gpus": dump_gpus(report.gpus),
            "facts": orjson.dumps({**report.facts, **_facts_of(seen.strangers)}).decode(),
            "disk_free_percent": seen.disk_free_percent, "seen_at": now,
        }  # fmt: skip
        node = known.pop(report.name, None)
        if node is None:
            columns |= {"organization_id": pool.organization_id, "pool_id": pool.id, "name": report.name}
            db.add(Node(id=new_id("node"), **columns))
        else:
            node.sqlmodel_update(columns)
    for gone in known.values():
        db.delete(gone)
    pool.isolations = orjson.dumps({kind.value: why for kind, why in seen.isolations.items()}).decode()
    pool.offers = orjson.dumps([asdict(offer) for offer in seen.offers]).decode()


def _facts_of(strangers: Mapping[str, int]) -> dict[str, str]:
    if not strangers:
        return {}
    found = ", ".join(f"{attempt_id} (process {pid})" for attempt_id, pid in sorted(strangers.items())[:20])
    found += f" and {len(strangers) - 20} more" if len(strangers) > 20 else ""
    return {
        "unknown attempts": f"{found} run here and are not in the database, as after the restore of an older backup."
        " What they use is not counted. `kill -9 PROCESS` on the machine ends one within minutes."
    }


def _note_disk(db: Session, pool: NodePool, was_low: bool, free_percent: int | None) -> None:
    """Let the trail, and the pages that are open, know where that changes."""
    if disk.is_low(free_percent) is not was_low:
        verb = "regained_disk" if was_low else "ran_low_on_disk"
        _record(db, pool, verb, Actor.system(pool.organization_id), {"disk_free_percent": free_percent})


def drain(db: Session, pool: NodePool, reason: str, by: Actor) -> None:
    """Place nothing more on it; what runs there goes on."""
    if pool.drained and pool.drain_reason == reason:
        return
    pool.drained, pool.drain_reason = True, reason
    _record(db, pool, "drained", by, {"reason": reason} if reason else {})


def reopen(db: Session, pool: NodePool, by: Actor) -> None:
    if not pool.drained:
        return
    pool.drained, pool.drain_reason = False, ""
    _record(db, pool, "opened", by)


def change(db: Session, pool: NodePool, values: dict[str, Any], by: Actor) -> None:
    """Set columns of the pool; raises Invalid where its nodes can't do or hold what was chosen."""
    changed = {name: value for name, value in values.items() if getattr(pool, name) != value}
    errors = [*_isolation_errors(pool, changed), *_default_errors(db, pool, changed)]
    if errors:
        raise Invalid(errors[0].message, errors=errors)
    if not changed:
        return
    told = {}
    for name, value in changed.items():
        shown_as, unit = SHOWN_AS.get(name, (name, None))
        told[shown_as] = tuple(one / unit if unit else one for one in (getattr(pool, name), value))
        setattr(pool, name, value)
    _record(db, pool, "changed", by, events.changes(**told))


def _isolation_errors(pool: NodePool, changed: dict[str, Any]) -> list[FieldError]:
    wanted = changed.get("isolation")
    if wanted is None:
        return []
    why_not = orjson.loads(pool.isolations).get(wanted, f"The nodes of pool {pool.name} can't do {wanted}.")
    return [] if why_not is None else [FieldError("isolation", why_not)]


def _default_errors(db: Session, pool: NodePool, changed: dict[str, Any]) -> list[FieldError]:
    nodes = queries.nodes_of(db, pool)
    limits = (
        ("defaults.cpus", "default_cpu_tenths", max((n.cpu_tenths for n in nodes), default=0), "CPUs"),
        ("defaults.memory", "default_memory_tenths", max((n.memory_tenths for n in nodes), default=0), "GiB"),
    )
    return [
        FieldError(field, f"The largest node of pool {pool.name} has {most / 10:g} {unit}.")
        for field, column, most, unit in limits
        if column in changed and nodes and changed[column] > most
    ]


def mark_fault(db: Session, pool: NodePool, fault: str, now: datetime) -> None:
    """What keeps the pool's engine from being reached, as one sentence; empty when it answers again."""
    fault = fault[:FAULT_LENGTH]
    if pool.fault == fault:
        return
    pool.fault_since = now if fault else None
    pool.fault = fault
    verb = "unreachable" if fault else "reachable"
    _record(db, pool, verb, Actor.system(pool.organization_id), {"reason": fault} if fault else {})


def _record(db: Session, pool: NodePool, verb: str, by: Actor, data: Mapping[str, Any] | None = None) -> None:
    events.record(db, by, f"node_pool.{verb}", subject_id=pool.id, subject_name=pool.name, data=data)

"""Servers that start at once on a database that nobody has opened yet."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import TypeVar

import pytest
from sqlmodel import select

from app.accounts.models import Organization
from app.engines.local.engine import LocalEngine
from app.main import close_site, open_site
from app.pools.models import NodePool
from app.settings import Settings
from app.site import Site
from app.workers.build import open_local_pool

T = TypeVar("T")
U = TypeVar("U")
SERVERS = 3


def at_once(work: Callable[[T], U], given: list[T]) -> list[U]:
    barrier = Barrier(len(given))

    def one(value: T) -> U:
        barrier.wait(60)
        return work(value)

    with ThreadPoolExecutor(len(given)) as threads:
        return list(threads.map(one, given))


def open_pool(opened: tuple[Site, LocalEngine]) -> str:
    return open_local_pool(*opened).name


@pytest.mark.database
def test_they_make_one_organization_and_a_pool_each(settings: Settings) -> None:
    folders = [settings.lattice_data_dir.with_name(f"data{n}") for n in range(SERVERS)]
    store = str(settings.lattice_data_dir.with_name("store"))
    sites = at_once(
        open_site, [settings.model_copy(update={"lattice_data_dir": f, "lattice_store": store}) for f in folders]
    )
    engines = [LocalEngine(site.datadir.path / "local", node_name="node", fake_gpus="") for site in sites]
    try:
        names = at_once(open_pool, list(zip(sites, engines, strict=True)))
        with sites[0].db.read() as db:
            assert len(db.exec(select(Organization)).all()) == 1
            assert sorted(pool.name for pool in db.exec(select(NodePool))) == sorted(names)
        assert names.count("local") == 1 and len(set(names)) == SERVERS
    finally:
        for site, engine in zip(sites, engines, strict=True):
            engine.close()
            close_site(site)

"""A disk that is nearly full: nothing is placed beside it, and the pool, its node and the preview of a job say so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import update
from sqlmodel import select
from starlette.testclient import TestClient

from app.db import new_id, utcnow
from app.engines.protocol import NodeReport
from app.pools.models import NODE, NodePool
from app.pools.service import Machines, see_machines
from app.site import Site
from tests.conftest import House

Fill = Callable[..., None]
POOLS = "/api/v1/node-pools"
PREVIEW = "/api/v1/jobs/preview"


@pytest.fixture
def fill(site: Site) -> Fill:
    """Leave that many percent of the nodes' disks free, as a worker would have found it."""

    def leave(percent: int | None) -> None:
        with site.db.write() as db:
            db.connection().execute(update(NODE).values(disk_free_percent=percent, name="gpu-1"))

    return leave


def the_pool(client: TestClient) -> dict[str, Any]:
    (pool,) = client.get(POOLS).json()["items"]
    found: dict[str, Any] = pool
    return found


@pytest.mark.database
def test_the_pool_says_how_much_is_free_where_and_what_to_do(admin: TestClient, fill: Fill) -> None:
    fill(3)
    pool = the_pool(admin)
    told = "node gpu-1 has 3 % of its disk free, and below 5 % no job is placed there: free some space on it"
    assert (pool["state"], pool["disk_low"], pool["reason"]) == ("open", True, told)
    (node,) = admin.get(f"{POOLS}/{pool['id']}/nodes").json()["items"]
    assert node["disk_free_percent"] == 3
    page = admin.get(f"/node-pools/{pool['id']}").text
    assert told in page and "Disk low" in page and "<dt>Free disk</dt>" in page
    shown = admin.get("/node-pools").text.replace("\u00a0", " ")
    assert told in shown and "Disk low" in shown


@pytest.mark.parametrize("percent", [5, None])
def test_enough_free_disk_is_not_worth_a_word(admin: TestClient, fill: Fill, percent: int | None) -> None:
    fill(percent)
    pool = the_pool(admin)
    assert (pool["disk_low"], pool["reason"]) == (False, None)
    assert ("<dt>Free disk</dt>" in admin.get(f"/node-pools/{pool['id']}").text) == (percent is not None)


def test_why_a_pool_is_drained_comes_first(admin: TestClient, fill: Fill) -> None:
    fill(3)
    pool = the_pool(admin)
    admin.post(f"/node-pools/{pool['id']}", data={"_method": "PATCH", "drained": "true", "drain_reason": "new disk"})
    assert (the_pool(admin)["disk_low"], the_pool(admin)["reason"]) == (False, "new disk")


def test_one_short_node_of_several_is_named_and_the_rest_goes_on(admin: TestClient, fill: Fill, site: Site) -> None:
    fill(3)
    add_node(site, name="gpu-2", disk_free_percent=70)
    pool = the_pool(admin)
    assert pool["disk_low"] is False and pool["reason"].startswith("node gpu-1 has 3 % of its disk free")
    preview = admin.post(PREVIEW, json={"run": "true"}).json()
    assert (preview["starts_at_once"], preview["reason"]) == (True, None)
    two = admin.post(PREVIEW, json={"run": "true", "num_nodes": 2}).json()
    assert two["starts_at_once"] is False and "below 5 % of free disk" in two["reason"]
    add_node(site, name="gpu-3", disk_free_percent=0)
    assert the_pool(admin)["reason"].startswith("node gpu-1 and 1 more have less than 5 % of their disk free")


def add_node(site: Site, **columns: Any) -> None:
    """One like the first, but for these columns."""
    with site.db.write() as db:
        first = db.connection().execute(NODE.select().order_by(NODE.c.id)).mappings().first()
        assert first is not None
        db.connection().execute(NODE.insert().values({**first, "id": new_id("node"), **columns}))


def test_a_preview_promises_no_start(admin: TestClient, fill: Fill) -> None:
    fill(5)
    assert admin.post(PREVIEW, json={"run": "true"}).json()["starts_at_once"] is True
    fill(4)
    preview = admin.post(PREVIEW, json={"run": "true"}).json()
    assert (preview["starts_at_once"], preview["queue_position"]) == (False, 1)
    assert preview["reason"] == "pool local is below 5 % of free disk, so nothing is started: free some space"
    page = admin.post("/jobs/preview", data={"run": "true"}).text
    assert "At once" not in page and "below 5 % of free disk" in page


def test_the_trail_and_open_pages_are_told_once(admin: TestClient, site: Site) -> None:
    for percent in (50, 3, 2, 60):
        seen = Machines(
            reports=[NodeReport(name="here", cpu_tenths=80, memory_tenths=160)],
            offers=[],
            isolations={},
            disk_free_percent=percent,
        )
        with site.db.write() as db:
            see_machines(db, db.exec(select(NodePool)).one(), seen, utcnow())
    events = admin.get("/api/v1/events?action=node_pool").json()["items"]
    assert [(event["action"], event["data"]) for event in events[:3]] == [
        ("node_pool.regained_disk", {"disk_free_percent": 60}),
        ("node_pool.ran_low_on_disk", {"disk_free_percent": 3}),
        ("node_pool.created", {}),
    ]


def test_it_is_measured(house: House, admin: TestClient, fill: Fill) -> None:
    fill(3)
    sample = f'lattice_pool_disk_free_ratio{{pool="{the_pool(admin)["id"]}"}} 0.03'
    assert sample in admin.get("/metrics").text

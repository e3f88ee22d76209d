"""Node pools through the front door: what they have, draining, isolation, defaults."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from sqlmodel import select
from starlette.testclient import TestClient

from app.db import utcnow
from app.engines.local.engine import LocalEngine
from app.engines.protocol import Isolation, NodeReport
from app.pools.models import NodePool
from app.pools.queries import nodes_of
from app.pools.service import Machines, ensure_local_pool, see_machines
from app.settings import Settings
from app.site import Site
from app.workers.build import open_local_pool
from app.workers.scheduler import Scheduler
from tests.conftest import House

Key = Callable[..., TestClient]
POOLS = "/api/v1/node-pools"
SEEN = Machines(
    reports=[NodeReport(name="here", cpu_tenths=80, memory_tenths=160)], offers=[],
    isolations={Isolation.NONE: None, Isolation.USER: "not as root", Isolation.CONTAINER: None},
)  # fmt: skip


@pytest.fixture
def operator(key: Key) -> TestClient:
    return key("nodepools:write")


def the_pool(client: TestClient) -> dict[str, Any]:
    (pool,) = client.get(POOLS).json()["items"]
    found: dict[str, Any] = pool
    return found


@pytest.mark.database
def test_the_local_pool_is_there_from_the_first_start(operator: TestClient) -> None:
    pool = the_pool(operator)
    assert (pool["name"], pool["provider"], pool["state"]) == ("local", "local", "open")
    detail = operator.get(f"{POOLS}/{pool['id']}").json()
    (node,) = detail["nodes"]
    assert node["cpus"] > 0 and node["memory"] > 0
    assert [(gpu["model"], gpu["fake"]) for gpu in node["gpus"]] == [("H100", True)] * 8
    assert detail["cgroups"] and "none" in detail["isolations"] and detail["may"] == {"change": True}
    assert operator.get(f"{POOLS}/{pool['id']}/nodes").json()["items"] == detail["nodes"]


def test_a_pool_is_drained_and_opened(operator: TestClient, key: Key) -> None:
    pool = the_pool(operator)
    address = f"{POOLS}/{pool['id']}"
    drained = operator.patch(address, json={"drained": True, "drain_reason": "driver update"}).json()
    assert (drained["state"], drained["reason"]) == ("drained", "driver update")
    waiting = key("compute:write").post("/api/v1/jobs", json={"run": "true"}).json()
    assert waiting["reason"] == "pool local is drained: driver update"
    opened = operator.patch(address, json={"drained": False}).json()
    assert (opened["state"], opened["reason"]) == ("open", None)
    events = operator.get(f"/api/v1/events?subject={pool['id']}").json()["items"]
    assert [event["action"] for event in events[:2]] == ["node_pool.opened", "node_pool.drained"]


def test_a_drain_reason_stays_where_it_is_left_out(operator: TestClient) -> None:
    address = f"{POOLS}/{the_pool(operator)['id']}"
    for body, reason in (
        ({"drained": True, "drain_reason": "disk swap"}, "disk swap"),
        ({"drained": True}, "disk swap"),
        ({"limits": {"max_stop_grace": 60}}, "disk swap"),
        ({"drain_reason": "disk swap until noon"}, "disk swap until noon"),
        ({"drain_reason": None}, None),
    ):
        answer = operator.patch(address, json=body)
        assert (answer.status_code, answer.json()["state"], answer.json()["reason"]) == (200, "drained", reason)


def test_a_drain_reason_needs_a_drained_pool(operator: TestClient) -> None:
    address = f"{POOLS}/{the_pool(operator)['id']}"
    for body, sentence in (
        ({"drain_reason": "x"}, "Pool local is open: drain it too, with drained: true."),
        ({"drained": False, "drain_reason": "x"}, "A pool that is opened has no reason to be drained: leave it out."),
    ):
        answer = operator.patch(address, json=body)
        assert answer.status_code == 422
        assert answer.json()["errors"] == [{"field": "drain_reason", "message": sentence}]


def test_who_may_not_see_a_job_is_not_told_which_one_holds_a_gpu(
    house: House, admin: TestClient, key: Key, member: TestClient
) -> None:
    body = {"name": "secret-sweep", "run": "true", "resources": {"accelerators": "H100:1"}, "visibility": "private"}
    job_id = key("compute:write").post("/api/v1/jobs", json=body).json()["id"]
    Scheduler(house.site, lambda _: None).round()
    address = f"/node-pools/{the_pool(admin)['id']}"
    (node,) = admin.get(f"/api/v1{address}/nodes").json()["items"]
    held = [(gpu["in_use"], gpu["job_id"], gpu["job_name"]) for gpu in node["gpus"]]
    assert held == [(True, job_id, "secret-sweep"), *[(False, None, None)] * 7]
    (node,) = member.get(f"/api/v1{address}/nodes").json()["items"]
    held = [(gpu["in_use"], gpu["job_id"], gpu["job_name"]) for gpu in node["gpus"]]
    assert held == [(True, None, None), *[(False, None, None)] * 7]
    page = member.get(address).text
    assert "In use" in page and job_id not in page and "secret-sweep" not in page


def test_defaults_hold_for_jobs_that_ask_for_nothing(operator: TestClient, key: Key) -> None:
    pool = the_pool(operator)
    answer = operator.patch(f"{POOLS}/{pool['id']}", json={"defaults": {"cpus": 0.5, "memory": 0.3}})
    assert answer.status_code == 200 and answer.json()["defaults"] == {"cpus": 0.5, "memory": 0.3}
    job = key("compute:write").post("/api/v1/jobs", json={"run": "true"}).json()
    assert (job["cpus"], job["memory"]) == (0.5, 0.3)


def test_a_short_time_to_stop_refuses_only_who_asks_for_more(operator: TestClient, key: Key, admin: TestClient) -> None:
    address, program = f"{POOLS}/{the_pool(operator)['id']}", key("compute:write")
    assert operator.patch(address, json={"limits": {"max_stop_grace": 10}}).status_code == 200
    job = program.post("/api/v1/jobs", json={"run": "true", "stop": {"signal": "INT"}}).json()
    assert job["stop"] == {"signal": "INT", "grace": "10s"} and "grace" not in job["task"]
    task = {"content": job["task"], "headers": {"Content-Type": "application/yaml"}}
    assert program.post("/api/v1/jobs", **task).json()["task"] == job["task"]
    assert program.post(f"/api/v1/jobs/{job['id']}/rerun").json()["stop"] == job["stop"]
    refused = program.post("/api/v1/jobs", json={"run": "true", "stop": {"grace": "30s"}})
    assert refused.status_code == 422 and refused.json()["errors"][0]["field"] == "stop.grace"
    (field,) = re.findall(r'<input[^>]*name="stop\.grace"[^>]*>', admin.get("/jobs/new").text)
    assert 'value=""' in field
    made = admin.post("/jobs", data={"run": "true", "stop.signal": "TERM", "stop.grace": ""})
    assert made.status_code == 303, made.text
    operator.patch(address, json={"limits": {"max_stop_grace": 900}})
    assert program.post("/api/v1/jobs", **task).json()["stop"]["grace"] == "30s"


def test_what_its_nodes_do_not_have_is_refused_by_name(operator: TestClient) -> None:
    address = f"{POOLS}/{the_pool(operator)['id']}"
    for body, field in (
        ({"defaults": {"cpus": 5000}}, "defaults.cpus"), ({"defaults": {"memory": 0.05}}, "defaults.memory"),
        ({"defaults": {"memory": True}}, "defaults.memory"), ({"limits": {"log_limit": True}}, "limits.log_limit"),
        ({"limits": {"max_stop_grace": 0}}, "limits.max_stop_grace"), ({"isolation": "vm"}, "isolation"),
        ({"name": "other"}, "name"),
    ):  # fmt: skip
        answer = operator.patch(address, json=body)
        assert answer.status_code == 422 and answer.json()["errors"][0]["field"] == field, answer.text


def test_an_isolation_that_its_nodes_can_not_do_is_refused(site: Site, operator: TestClient) -> None:
    with site.db.write() as db:
        see_machines(db, db.exec(select(NodePool)).one(), SEEN, utcnow())
    address = f"{POOLS}/{the_pool(operator)['id']}"
    refused = operator.patch(address, json={"isolation": "bubblewrap"})
    assert refused.status_code == 422 and refused.json()["errors"][0]["field"] == "isolation"
    assert operator.patch(address, json={"isolation": "container"}).json()["isolation"] == "container"
    assert operator.get(address).json()["no_isolations"] == {"user": "not as root"}


def test_members_and_other_keys_only_look(house: House, operator: TestClient, key: Key, member: TestClient) -> None:
    pool = the_pool(operator)
    body = {"drained": True}
    assert key("compute:write").patch(f"{POOLS}/{pool['id']}", json=body).status_code == 403
    bob = key("nodepools:write", user=house.person("bob@lab.test"))
    assert bob.patch(f"{POOLS}/{pool['id']}", json=body).status_code == 403
    assert bob.get(f"{POOLS}/{pool['id']}").json()["may"] == {"change": False}
    assert member.get(f"/node-pools/{pool['id']}").status_code == 200


def test_the_page_drains_a_pool(admin: TestClient, operator: TestClient) -> None:
    pool = the_pool(operator)
    form = {"_method": "PATCH", "drained": "true", "drain_reason": "moving house"}
    assert admin.post(f"/node-pools/{pool['id']}", data=form).status_code == 303
    assert "moving house" in admin.get("/node-pools").text
    assert "moving house" in admin.get(f"/node-pools/{pool['id']}").text


def reopened(site: Site, **settings: Any) -> NodePool:
    """The pool as another start under other settings leaves it."""
    with site.db.write() as db:
        pool = db.exec(select(NodePool)).one()
        changed = Settings(_env_file=None, **settings)
        host = site.datadir.host_id
        return ensure_local_pool(db, pool.organization_id, host, seen=SEEN, settings=changed, now=utcnow())


def test_in_a_container_it_is_drained_and_says_how_to_open_it(site: Site) -> None:
    pool = reopened(site, lattice_in_container=True)
    assert pool.drained and "LATTICE_LOCAL_POOL=on" in pool.drain_reason
    assert not reopened(site, lattice_in_container=True, lattice_local_pool="on").drained


def test_what_a_setting_drains_and_opens_is_in_the_trail(site: Site, operator: TestClient) -> None:
    reopened(site, lattice_local_pool="off")
    reopened(site, lattice_local_pool="off")
    reopened(site, lattice_local_pool="on")
    reopened(site, lattice_local_pool="on")
    events = operator.get(f"/api/v1/events?subject={the_pool(operator)['id']}").json()["items"]
    told = [(event["action"], event["actor"]["kind"], event["data"]) for event in events]
    assert told[:2] == [
        ("node_pool.opened", "system", {}),
        ("node_pool.drained", "system", {"reason": "LATTICE_LOCAL_POOL is off"}),
    ]
    assert [action for action, _, _ in told[2:]] == ["node_pool.created"]


def test_a_start_leaves_what_a_person_drained_and_chose(site: Site, operator: TestClient) -> None:
    address = f"{POOLS}/{the_pool(operator)['id']}"
    operator.patch(address, json={"drained": True, "drain_reason": "mine", "isolation": "none"})
    pool = reopened(site, lattice_local_pool="on")
    assert (pool.drained, pool.drain_reason, pool.isolation) == (True, "mine", Isolation.NONE)


def test_another_host_has_a_pool_of_its_own(site: Site) -> None:
    with site.db.write() as db:
        first = db.exec(select(NodePool)).one()
        second = ensure_local_pool(
            db, first.organization_id, "0123456789abcdef", seen=SEEN, settings=site.settings, now=utcnow()
        )
        assert second.id != first.id and second.name == "local-89abcdef"


def test_a_node_that_is_gone_is_gone(site: Site) -> None:
    with site.db.write() as db:
        pool = db.exec(select(NodePool)).one()
        see_machines(db, pool, SEEN, utcnow())
        assert [node.name for node in nodes_of(db, pool)] == ["here"]


def test_a_second_start_makes_no_second_pool(site: Site) -> None:
    engine = LocalEngine(site.datadir.path / "local", node_name="node", fake_gpus="H100:8")
    first, second = open_local_pool(site, engine), open_local_pool(site, engine)
    engine.close()
    assert first.id == second.id

from __future__ import annotations

from typing import Any

import pytest

from app.engines.protocol import Gpu, Isolation, NodeReport
from app.jobs.needs import Alternative, Needs
from app.jobs.pool_facts import Feature, PoolFacts
from app.jobs.refusals import judge
from tests.jobs.bodies import submit


def report(name: str, model: str = "H100", gpus: int = 0, cpus: int = 64, memory: int = 256) -> NodeReport:
    cards = tuple(Gpu(index=i, model=model, memory_gib=80) for i in range(gpus))
    return NodeReport(name=name, cpu_tenths=cpus * 10, memory_tenths=memory * 10, gpus=cards)


LAB = PoolFacts(
    name="lab",
    nodes=(report("g1", gpus=8), report("g2", gpus=4), report("c1", cpus=128, memory=1024), report("a1", "A100", 2)),
)
BARE = PoolFacts(name="local", nodes=(report("here", cpus=4, memory=8),))


def found(pool: PoolFacts = LAB, **fields: Any) -> dict[str, str]:
    return {error.field: error.message for error in judge(submit(**fields), pool).refusals}


@pytest.mark.parametrize(
    ("resources", "field", "sentence"),
    [
        ({"accelerators": "H100:16"}, "accelerators", "pool lab has at most 8 H100 on one node, 16 were asked for."),
        ({"accelerators": "B200"}, "accelerators", "pool lab has no B200; it has A100 and H100."),
        ({"cpus": "200+"}, "cpus", "pool lab has at most 128 CPUs on one node, 200 were asked for."),
        ({"memory": 2000}, "memory", "pool lab has at most 1024 GiB on one node, 2000 were asked for."),
        ({"accelerators": "H100:8", "memory": 512}, "accelerators",
         "No node of pool lab has 8 H100, 1 CPU and 512 GiB together, though each alone would fit."),
        ({"use_spot": True}, "use_spot", "none at a spot price"),
        ({"ports": 8080}, "ports", "opens no ports"),
        ({"infra": "aws/us-east-1"}, "infra", "which is not aws/us-east-1"),
        ({"cloud": "gcp"}, "cloud", "which is not gcp"),
        ({"region": "us-east-1"}, "region", "has no regions"),
        ({"instance_type": "p4d.24xlarge"}, "instance_type", "no instance types"),
        ({"disk_size": 100}, "disk_size", "disks of a fixed size"),
        ({"disk_tier": "best"}, "disk_tier", "disks of one kind"),
        ({"network_tier": "best"}, "network_tier", "one kind of network"),
        ({"image_id": "ami-1"}, "image_id", "docker:NAME"),
        ({"image_id": {"us-east-1": "ami-1"}}, "image_id", "no machine images"),
        ({"autostop": {"idle_minutes": 5}}, "autostop", "gives its nodes back"),
        ({"accelerator_args": {"tpu_vm": True}}, "accelerator_args", "no arguments"),
        ({"labels": {"team": "vision"}}, "labels", "take no labels from a job: leave labels out."),
        ({"priority_class": "high"}, "priority_class", "the job's own number as priority: leave priority_class out."),
    ],
)  # fmt: skip
def test_what_the_pool_can_not_honour_is_named(resources: dict[str, Any], field: str, sentence: str) -> None:
    assert sentence in found(resources=resources)[f"resources.{field}"]


@pytest.mark.parametrize(
    ("fields", "field", "sentence"),
    [
        ({"num_nodes": 5}, "num_nodes", "pool lab has 4 nodes, 5 were asked for."),
        ({"num_nodes": 3, "resources": {"accelerators": "H100:4"}}, "num_nodes",
         "pool lab has 2 nodes with 4 H100, 1 CPU and 1 GiB, 3 were asked for."),
        ({"image": "python:3.12"}, "image", "runs no containers (its isolation is none)"),
        ({"file_mounts": {"/data": "s3://bucket"}}, "file_mounts./data", "mounts no buckets"),
        ({"volumes": {"/data": "pvc"}}, "volumes./data", "has no volumes"),
        ({"config": {"kubernetes": {}}}, "config.kubernetes", "a setting of SkyPilot's"),
        ({"stop": {"grace": "1h"}}, "stop.grace", "at most 15m"),
        ({"secrets": {"SKYPILOT_DOCKER_PASSWORD": "x"}}, "secrets.SKYPILOT_DOCKER_PASSWORD", "sign in to a registry"),
    ],
)  # fmt: skip
def test_and_so_is_what_is_the_jobs_own(fields: dict[str, Any], field: str, sentence: str) -> None:
    assert sentence in found(**fields)[field]


def test_a_pool_without_gpus_says_so() -> None:
    assert found(BARE, resources={"accelerators": "H100:8"}) == {
        "resources.accelerators": "pool local has no H100; it has no GPUs."
    }


@pytest.mark.parametrize("infra", ["*", "lab", "local", "local/lab", "*/lab", "LOCAL"])
def test_infra_may_mean_this_pool(infra: str) -> None:
    assert not found(resources={"infra": infra})


def test_what_asks_for_nothing_special_is_fine() -> None:
    fine = {
        "use_spot": False,
        "autostop": False,
        "max_hourly_cost": 2.5,
        "job_recovery": "failover",
    }
    assert not found(resources=fine, workdir={"url": "https://h/a.git"})


def test_what_is_empty_asks_for_nothing() -> None:
    names = ("infra", "cloud", "region", "zone", "instance_type", "disk_tier", "local_disk", "network_tier")
    empty = {"ports": [], "labels": {}, "accelerator_args": {}, "image_id": {}, **dict.fromkeys(names, "")}
    assert not found(resources=empty, envs={}, secrets=[], file_mounts={}, volumes={}, config={})


def test_containers_and_features_where_the_pool_has_them() -> None:
    able = PoolFacts(name="cloud", isolation=Isolation.CONTAINER, supports=frozenset(Feature))
    resources = {"ports": 80, "use_spot": True, "disk_size": 100, "accelerators": "H100:8"}
    assert not found(able, image="python:3.12", resources=resources, volumes={"/a": "b"}, config={"gcp": {}})
    assert "name an image" in found(able)["image"]


def test_one_alternative_that_can_be_had_is_enough() -> None:
    body = submit(resources={"accelerators": ["B200:8", "h100:8", "H100:16", "A100:2"]})
    verdict = judge(body, LAB)
    assert not verdict.refusals
    needs = verdict.needs
    assert [a.accelerators for a in needs.alternatives] == ["H100:8", "A100:2"]


def test_where_none_can_each_is_named() -> None:
    resources = {"any_of": [{"infra": "aws"}, {"infra": "gcp", "cpus": 500}], "use_spot": True}
    assert set(found(resources=resources)) == {
        "resources.use_spot", "resources.any_of.0.infra", "resources.any_of.1.infra", "resources.any_of.1.cpus",
    }  # fmt: skip


def test_nothing_is_too_much_while_the_nodes_are_not_known() -> None:
    assert not found(PoolFacts(name="new"), resources={"accelerators": "H100:64"}, num_nodes=100)


def test_needs_have_the_pools_defaults_and_survive_json() -> None:
    pool = PoolFacts(name="p", default_cpu_tenths=20, default_memory_tenths=45)
    assert judge(submit(), pool).needs.first == Alternative(cpu_tenths=20, memory_tenths=45)
    needs = judge(submit(num_nodes=2, resources={"accelerators": "L4:2", "cpus": "4+", "memory": 16}), pool).needs
    assert needs.first == Alternative(cpu_tenths=40, cpus_at_least=True, memory_tenths=160, gpus=2, gpu_model="L4")
    assert Needs.load(needs.dump()) == needs
    assert str(needs.first) == "2 L4, 4 CPUs and 16 GiB"

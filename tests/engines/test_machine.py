"""What the engine says of the machine: CPUs, memory, GPUs, control groups; and what it charges for it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pynvml
import pytest

from app.engines.local import LocalEngine
from app.engines.local.cgroups import Cgroups
from app.engines.local.gpus import GIB, LOOK_AGAIN, LOOK_SOON, Gpus, model_name
from app.engines.protocol import Gpu


def test_a_node_with_what_the_server_may_use(tmp_path: Path) -> None:
    engine = LocalEngine(tmp_path / "local", node_name="here")
    (node,) = engine.nodes()
    engine.close()
    assert node.name == "here"
    assert 0 < node.cpu_tenths <= 10 * len(os.sched_getaffinity(0))
    assert 0 < node.memory_tenths * (1 << 30) / 10 <= os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    assert {"kernel", "cgroups", "gpus", "work folders", "reserve"} <= set(node.facts)


def test_affinity_is_respected(tmp_path: Path) -> None:
    engine = LocalEngine(tmp_path / "local", node_name="here")
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(before)})
        assert engine.nodes()[0].cpu_tenths <= 10
    finally:
        os.sched_setaffinity(0, before)
        engine.close()


def test_fake_gpus_are_shown_as_such(tmp_path: Path) -> None:
    engine = LocalEngine(tmp_path / "local", node_name="here", fake_gpus="A100:2, L4:1")
    (node,) = engine.nodes()
    assert [(gpu.index, gpu.model, gpu.fake) for gpu in node.gpus] == [
        (0, "A100", True),
        (1, "A100", True),
        (2, "L4", True),
    ]
    assert [(offer.gpu_model, offer.gpus, offer.price_per_hour) for offer in engine.offers()] == [
        ("A100", 2, 0),
        ("L4", 1, 0),
    ]
    engine.close()


@pytest.mark.parametrize("text", ["H100", "H100:", ":8", "H100:x", "H100:8;L4:2", "H100:-1"])
def test_fake_gpus_that_can_not_be_read(tmp_path: Path, text: str) -> None:
    with pytest.raises(ValueError, match="H100:8"):
        LocalEngine(tmp_path / "local", node_name="here", fake_gpus=text)


def test_a_machine_without_gpus_says_why(tmp_path: Path) -> None:
    engine = LocalEngine(tmp_path / "local", node_name="here")
    (node,) = engine.nodes()
    engine.close()
    assert node.gpus or node.facts["gpus"].startswith("none: ")


def with_gpus(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """A driver of those GPUs, in place of NVML's library; the names of its functions are the real ones."""

    def named(gpu: str) -> str:
        if not gpu:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_GPU_IS_LOST)
        return gpu

    memory = SimpleNamespace(total=80 * GIB)
    answers: dict[str, Callable[..., object]] = {
        "nvmlInit": lambda: None, "nvmlShutdown": lambda: None, "nvmlDeviceGetCount": lambda: len(names),
        "nvmlDeviceGetHandleByIndex": lambda index: names[index], "nvmlDeviceGetMemoryInfo": lambda _gpu: memory,
        "nvmlDeviceGetName": named, "nvmlSystemGetDriverVersion": lambda: "570.1",
    }  # fmt: skip
    for name, answer in answers.items():
        monkeypatch.setattr(pynvml, name, answer)


def test_gpus_that_nvml_finds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with_gpus(monkeypatch, "NVIDIA H100 80GB HBM3", "NVIDIA A100-SXM4-80GB")
    engine = LocalEngine(tmp_path / "local", node_name="here")
    (node,) = engine.nodes()
    assert node.gpus == (Gpu(index=0, model="H100", memory_gib=80), Gpu(index=1, model="A100-80GB", memory_gib=80))
    assert node.facts["gpus"] == "NVML, driver 570.1"
    assert [(offer.gpu_model, offer.gpus) for offer in engine.offers()] == [("H100", 1), ("A100-80GB", 1)]
    engine.close()


def test_gpus_come_and_go_while_it_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> None:
        raise pynvml.NVMLError(pynvml.NVML_ERROR_LIBRARY_NOT_FOUND)

    now = 0.0
    found = Gpus("", lambda: now)
    monkeypatch.setattr(pynvml, "nvmlInit", none)
    assert found.now()[0] == () and "NVML says" in found.now()[1]
    with_gpus(monkeypatch, "NVIDIA L4", "NVIDIA L4")
    assert found.now()[0] == (), "it is not asked each time"
    now = LOOK_SOON
    assert len(found.now()[0]) == 2
    with_gpus(monkeypatch, "NVIDIA L4", "")  # the second answers no more
    now += LOOK_AGAIN
    assert [gpu.index for gpu in found.now()[0]] == [0]
    monkeypatch.setattr(pynvml, "nvmlInit", none)
    now += LOOK_AGAIN
    assert len(found.now()[0]) == 1 and found.now()[1].startswith("found before; now NVML says")


@pytest.mark.parametrize(
    ("name", "memory", "model"),
    [
        ("NVIDIA H100 80GB HBM3", 79.6, "H100"),
        ("NVIDIA H100 PCIe", 79.6, "H100"),
        ("NVIDIA H200", 140.4, "H200"),
        ("NVIDIA A100-SXM4-80GB", 79.2, "A100-80GB"),
        ("NVIDIA A100-SXM4-40GB", 39.4, "A100"),
        ("NVIDIA A100 80GB PCIe", 79.2, "A100-80GB"),
        ("Tesla T4", 15.0, "T4"),
        ("Tesla V100-SXM2-16GB", 15.8, "V100"),
        ("Tesla V100-SXM2-32GB", 31.7, "V100-32GB"),
        ("NVIDIA L4", 22.5, "L4"),
        ("NVIDIA L40S", 45.0, "L40S"),
        ("NVIDIA A10G", 22.5, "A10G"),
        ("NVIDIA GeForce RTX 4090", 24.0, "RTX4090"),
        ("NVIDIA RTX 6000 Ada Generation", 48.0, "RTX6000-Ada"),
        ("NVIDIA RTX A6000", 48.0, "RTXA6000"),
        ("NVIDIA GH200 480GB", 95.0, "GH200"),
        ("NVIDIA B200", 179.0, "B200"),
        ("GRID", 8.0, "GRID"),
    ],
)
def test_models_in_the_fields_spelling(name: str, memory: float, model: str) -> None:
    assert model_name(name, memory) == model


def test_the_control_groups_are_those_of_the_kernel(tmp_path: Path) -> None:
    mounts = Path("/proc/self/mountinfo").read_text()
    engine = LocalEngine(tmp_path / "local", node_name="here")
    said = engine.nodes()[0].facts["cgroups"]
    engine.close()
    assert said.startswith(("v1 (", "v2 (", "none: "))
    assert said.startswith("none") or f" cgroup{'2' if said.startswith('v2') else ''} " in mounts


def test_the_limits_of_version_2() -> None:
    parents = {name: Path("/sys/fs/cgroup/lattice") for name in ("cpu", "memory", "pids")}
    items = Cgroups(2, parents, "v2").items("att_1", cpu_tenths=15, memory_tenths=20)
    group = "/sys/fs/cgroup/lattice/att_1"
    assert [value for key, value in items if key == "cgroup"] == [group]
    assert [value for key, value in items if key == "join"] == [f"{group}/cgroup.procs"]
    assert {
        ("limit", f"{group}/cpu.max=150000 100000"),
        ("limit", f"{group}/memory.max={2 << 30}"),
        ("limit", f"{group}/memory.oom.group=1"),
        ("limit", f"-{group}/memory.swap.max=0"),
        ("oom_file", f"{group}/memory.events"),
    } <= set(items)

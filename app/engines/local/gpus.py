"""The machine's GPUs by NVML, or fake ones for demonstrations; models in SkyPilot's spelling. It never raises."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator
from math import inf
from typing import Any

from app.engines.protocol import Gpu
from app.fake_gpus import parse

GIB = 1 << 30
LOOK_AGAIN = 600.0  # seconds: NVML wakes GPUs that sleep, which takes a while
LOOK_SOON = 60.0  # … where there were none
MEMORY = {"H200": 141.0, "H100": 80.0, "A100-80GB": 80.0, "A100": 40.0, "L40S": 48.0, "L4": 24.0, "A10G": 24.0,
          "V100": 16.0, "T4": 16.0, "B200": 180.0}  # fmt: skip
NOISE = re.compile(
    r"\b(NVIDIA|Tesla|GeForce|Quadro|Generation|Blackwell|Server|Workstation|Edition|HBM\w*|NVL|PCIe?|SXM\d?|\d+\s?GB)\b",
    re.IGNORECASE,
)


def fake_gpus(text: str) -> tuple[Gpu, ...]:
    """`H100:8`, or several with commas (`A100:4,L4:2`). ValueError names what can't be read."""
    models = [model for model, count in parse(text) for _ in range(count)]
    return tuple(
        Gpu(index=index, model=model, memory_gib=MEMORY.get(model, 16.0), fake=True)
        for index, model in enumerate(models)
    )


class Gpus:
    """The machine's GPUs, looked for again now and then: a driver may be loaded late, a GPU may die.

    `fake`: such as "H100:8", those that stand in for them. Raises ValueError where it can't be read.
    """

    def __init__(self, fake: str, clock: Callable[[], float]) -> None:
        self._fake = fake_gpus(fake)
        self._clock = clock
        self._found: tuple[Gpu, ...] = ()
        self._how = ""
        self._look_at = -inf

    def now(self) -> tuple[tuple[Gpu, ...], str]:
        """The GPUs, and a sentence for the pool's page about how they were found."""
        if self._fake:
            return self._fake, "fake, for demonstration"
        if self._clock() >= self._look_at:
            found, how = found_gpus()
            if found is None and self._found:  # it says nothing of the GPUs that were there
                self._how = f"found before; now {how.removeprefix('none: ')}"
            else:
                self._found, self._how = found or (), how
            self._look_at = self._clock() + (LOOK_AGAIN if found else LOOK_SOON)
        return self._found, self._how


def found_gpus() -> tuple[tuple[Gpu, ...] | None, str]:
    """As `Gpus.now`, by NVML; None where it can't be asked."""
    try:
        import pynvml

        pynvml.nvmlInit()
    except Exception as error:
        return None, f"none: NVML says {error}"
    try:
        gpus = tuple(_gpus_of(pynvml))
        return gpus, f"NVML, driver {_text(pynvml.nvmlSystemGetDriverVersion())}"
    except Exception as error:
        return None, f"none: NVML says {error}"
    finally:
        with contextlib.suppress(Exception):
            pynvml.nvmlShutdown()


def _gpus_of(nvml: Any) -> Iterator[Gpu]:
    """One that answers no more is left out; the others keep their indices."""
    for index in range(nvml.nvmlDeviceGetCount()):
        with contextlib.suppress(nvml.NVMLError):
            yield _gpu(nvml, index)


def _gpu(nvml: Any, index: int) -> Gpu:
    handle = nvml.nvmlDeviceGetHandleByIndex(index)
    memory = nvml.nvmlDeviceGetMemoryInfo(handle).total / GIB
    name = _text(nvml.nvmlDeviceGetName(handle))
    return Gpu(index=index, model=model_name(name, memory), memory_gib=round(memory, 1))


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value


def model_name(name: str, memory_gib: float) -> str:
    """NVML's product name as SkyPilot spells the model: "NVIDIA H100 80GB HBM3" → "H100"."""
    words = re.sub(r"[\s_-]+", " ", NOISE.sub(" ", name)).split()
    if not words:
        return name
    if words[0] == "RTX":
        body = [word for word in words if word.lower() != "ada"]
        return "".join(body) + ("-Ada" if len(body) < len(words) else "")
    if words[0] == "A100" and memory_gib > 60:
        return "A100-80GB"
    if words[0] == "V100" and memory_gib > 24:
        return "V100-32GB"
    return words[0]

"""What a job needs, in exact numbers: the alternatives that would do, in order of preference, and on how many nodes.

The scheduler reads this and nothing else of a job's specification; rows keep it as JSON (`to_json`, `from_json`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from app.jobs.resources import format_tenths


@dataclass(frozen=True, slots=True, kw_only=True)
class Alternative:
    """On each node: whole GPUs (of `gpu_model`, or of any model), tenths of a CPU, tenths of a GiB.

    `at_least` fields remember that more would be welcome ("4+"); placement gives the stated amount.
    """

    cpu_tenths: int
    memory_tenths: int
    gpus: int = 0
    gpu_model: str | None = None
    cpus_at_least: bool = False
    memory_at_least: bool = False

    @property
    def accelerators(self) -> str | None:
        """ "H100:8", or None without GPUs."""
        return f"{self.gpu_model or 'GPU'}:{self.gpus}" if self.gpus else None

    def __str__(self) -> str:
        gpus = f"{self.gpus} {self.gpu_model or 'GPUs'}, " if self.gpus else ""
        cpus = f"{format_tenths(self.cpu_tenths)} {'CPU' if self.cpu_tenths == 10 else 'CPUs'}"
        return f"{gpus}{cpus} and {format_tenths(self.memory_tenths)} GiB"


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """Never without an alternative. `num_nodes` are distinct nodes, all at once."""

    alternatives: tuple[Alternative, ...]
    num_nodes: int = 1

    @property
    def first(self) -> Alternative:
        return self.alternatives[0]

    def to_json(self) -> dict[str, Any]:
        return {"num_nodes": self.num_nodes, "alternatives": [asdict(a) for a in self.alternatives]}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Needs:
        alternatives = tuple(Alternative(**a) for a in stored["alternatives"])
        return cls(alternatives=alternatives, num_nodes=stored["num_nodes"])

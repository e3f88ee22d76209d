"""What a job needs, in exact numbers: the alternatives that would do, in order of preference, and on how many nodes.

The scheduler reads this and nothing else of a job's specification; rows keep it as JSON (`dump`, `load`).
"""

from __future__ import annotations

from dataclasses import dataclass

import orjson

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

    def dump(self) -> str:
        """As rows keep it: JSON, by the fields' names."""
        return orjson.dumps(self).decode()

    @classmethod
    def load(cls, stored: str) -> Needs:
        values = orjson.loads(stored)
        return cls(alternatives=tuple(Alternative(**a) for a in values["alternatives"]), num_nodes=values["num_nodes"])

"""One line of the table: what was measured, against what it is set, and what it should reach."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import perf_counter


@dataclass(frozen=True, slots=True)
class Result:
    """`value` and `floor` are in `unit`; `floor` is the raw work without Lattice, in the same run."""

    work: str
    value: float
    unit: str
    target: float
    floor: float
    floor_is: str
    higher_is_better: bool = False
    note: str = ""

    @property
    def reached(self) -> bool:
        return self.value >= self.target if self.higher_is_better else self.value <= self.target

    @property
    def ratio(self) -> float:
        """How many times the floor this costs; 1 is the floor itself."""
        return self.floor / self.value if self.higher_is_better else self.value / self.floor

    def row(self) -> str:
        cells = (
            self.work,
            f"{self.value:.4g} {self.unit}",
            f"{'≥' if self.higher_is_better else '≤'} {self.target:g} {self.unit}",
            "yes" if self.reached else "**no**",
            f"{self.floor:.4g} {self.unit} ({self.floor_is})",
            f"{self.ratio:.1f} ×",
            self.note,
        )
        return "| " + " | ".join(cells) + " |"


def median_ms(work: Callable[[], object], times: int = 30) -> float:
    """The median of `times` calls, in milliseconds, after one that warms up."""
    work()
    taken = []
    for _ in range(times):
        began = perf_counter()
        work()
        taken.append((perf_counter() - began) * 1000)
    return statistics.median(taken)


def percentile(values: Sequence[float], part: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))]

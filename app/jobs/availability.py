"""One node over time: what is free, what running attempts give back and when, and what is held for jobs in line.

Times are seconds from the plan's now. What an attempt without a known end holds comes back at `NEVER`. While a plan
is made a node only gets fuller.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from math import inf

from app.engines.protocol import Gpu

NEVER = inf


@dataclass(frozen=True, slots=True)
class Amounts:
    """Tenths of a CPU, tenths of a GiB, and whole GPUs of one model (its name folded to lower case)."""

    cpu: int
    memory: int
    gpus: int = 0
    model: str | None = None


class NodeTime:
    """Free amounts as steps: during `times[i] <= t < times[i + 1]` there are `cpu[i]`, `memory[i]`, `gpus[model][i]`.

    The first step begins at 0 and the last at NEVER. `free_*` is what is free at this moment whatever is held, and
    `free_gpus[model]` the indices. `held`: something is kept for a later start, so the steps may also go down.
    """

    __slots__ = (
        "cpu", "free_cpu", "free_gpus", "free_memory", "gpu_count", "gpus", "held", "memory", "name", "times",
        "total_cpu", "total_gpus", "total_memory",
    )  # fmt: skip

    def __init__(self, name: str, cpu: int, memory: int, gpus: Iterable[Gpu] = ()) -> None:
        self.name = name
        self.free_gpus: dict[str, list[int]] = {}
        for gpu in sorted(gpus, key=lambda g: g.index):
            self.free_gpus.setdefault(gpu.model.casefold(), []).append(gpu.index)
        self.total_cpu = self.free_cpu = cpu
        self.total_memory = self.free_memory = memory
        self.total_gpus = {model: len(indices) for model, indices in self.free_gpus.items()}
        self.gpu_count = sum(self.total_gpus.values())
        self.times: list[float] = [0.0, NEVER]
        self.cpu = [cpu, cpu]
        self.memory = [memory, memory]
        self.gpus = {model: [count, count] for model, count in self.total_gpus.items()}
        self.held = False

    def could_hold(self, wanted: Amounts) -> bool:
        """Whether the node, empty, is large enough."""
        return (
            self.total_cpu >= wanted.cpu
            and self.total_memory >= wanted.memory
            and (not wanted.gpus or self.total_gpus.get(wanted.model or "", 0) >= wanted.gpus)
        )

    def is_free(self, wanted: Amounts) -> bool:
        """Whether it would fit at this moment, were nothing held for others."""
        return (
            self.free_cpu >= wanted.cpu
            and self.free_memory >= wanted.memory
            and (not wanted.gpus or len(self.free_gpus.get(wanted.model or "", ())) >= wanted.gpus)
        )

    def fits(self, wanted: Amounts, end: float) -> bool:
        """Whether it fits from now until `end` without touching what is held."""
        return self.is_free(wanted) and (not self.held or self.fits_until(wanted) >= end)

    def fits_until(self, wanted: Amounts) -> float:
        """How long it would fit if it began now: 0 where it does not fit at all."""
        bad = self._bad_spans(wanted)
        return bad[0][0] if bad else NEVER

    def windows(self, wanted: Amounts, duration: float) -> list[tuple[float, float]]:
        """The spans of known times, both ends included, at any of which it can begin and stay for `duration`."""
        spans: list[tuple[float, float]] = []
        opens = 0.0
        for begin, end in self._bad_spans(wanted):
            if begin - duration >= opens:
                spans.append((opens, begin - duration))
            opens = end
        if opens < NEVER:
            spans.append((opens, NEVER))
        return spans

    def _bad_spans(self, wanted: Amounts) -> list[tuple[float, float]]:
        """Where it does not fit, as spans of time; the step at NEVER is not looked at, since it never comes."""
        spans: list[tuple[float, float]] = []
        gpus = self.gpus.get(wanted.model or "") if wanted.gpus else None
        for i in range(len(self.times) - 1):
            enough = self.cpu[i] >= wanted.cpu and self.memory[i] >= wanted.memory
            if enough and (not wanted.gpus or (gpus is not None and gpus[i] >= wanted.gpus)):
                continue
            begin, end = self.times[i], self.times[i + 1]
            if spans and spans[-1][1] == begin:
                spans[-1] = (spans[-1][0], end)
            else:
                spans.append((begin, end))
        return spans

    def run(self, taken: Amounts, indices: Iterable[int], end: float) -> None:
        """Something runs here from now until `end`, on these GPUs."""
        self.free_cpu -= taken.cpu
        self.free_memory -= taken.memory
        self._take(Amounts(taken.cpu, taken.memory), 0.0, end)
        gone = set(indices)
        for model, free in self.free_gpus.items() if gone else ():
            left = [index for index in free if index not in gone]
            self._take(Amounts(0, 0, len(free) - len(left), model), 0.0, end)
            self.free_gpus[model] = left

    def hold_from(self, wanted: Amounts, start: float, end: float) -> None:
        """Keep it for a job that starts at a known time."""
        self.held = True
        self._take(wanted, start, end)

    def hold_what_is_free(self, wanted: Amounts) -> None:
        """Keep, at every time, as much of it as is free then: for a job whose start nobody knows."""
        self.held = True
        for steps, amount in ((self.cpu, wanted.cpu), (self.memory, wanted.memory)):
            steps[:] = [free - min(max(free, 0), amount) for free in steps]
        if wanted.gpus:
            steps = self.gpus[wanted.model or ""]
            steps[:] = [free - min(max(free, 0), wanted.gpus) for free in steps]

    def _take(self, taken: Amounts, start: float, end: float) -> None:
        first, last = self._cut(start), self._cut(end)
        for i in range(first, last):
            self.cpu[i] -= taken.cpu
            self.memory[i] -= taken.memory
        if taken.gpus:
            steps = self.gpus[taken.model or ""]
            for i in range(first, last):
                steps[i] -= taken.gpus

    def _cut(self, time: float) -> int:
        """The index of the step that begins at `time`, made by cutting the one around it where there is none."""
        i = bisect_left(self.times, time)
        if i < len(self.times) and self.times[i] == time:
            return i
        self.times.insert(i, time)
        for steps in (self.cpu, self.memory, *self.gpus.values()):
            steps.insert(i, steps[i - 1])
        return i


def earliest_common(windows: list[list[tuple[float, float]]], count: int) -> float:
    """The first time at which at least `count` of the lists have a window open; NEVER where there is none."""
    opens = sorted(begin for spans in windows for begin, _ in spans)
    closes = sorted(end for spans in windows for _, end in spans)
    for time in opens:
        if bisect_right(opens, time) - bisect_left(closes, time) >= count:
            return time
    return NEVER


def pick_indices(free: list[int], count: int) -> tuple[int, ...]:
    """GPUs next to each other where possible: from the shortest run that is long enough, lowest index first.

    Where no run is long enough, the longest runs are used up first, so that few are broken.
    """
    runs: list[list[int]] = []
    for index in free:
        if runs and runs[-1][-1] + 1 == index:
            runs[-1].append(index)
        else:
            runs.append([index])
    enough = [run for run in runs if len(run) >= count]
    if enough:
        return tuple(min(enough, key=len)[:count])
    longest = sorted(runs, key=lambda run: (-len(run), run[0]))
    return tuple(sorted([index for run in longest for index in run][:count]))

"""How much of a node's disk has to be free for a job to be placed there, and what is said of a node with less."""

from __future__ import annotations

from collections.abc import Sequence

LEAST_FREE = 5  # percent
WHAT_TO_DO = f"and below {LEAST_FREE} % no job is placed there: free some space on it"


def is_low(free_percent: int | None) -> bool:
    """Whether nothing is placed on a node with that much; what is not known keeps nothing away."""
    return free_percent is not None and free_percent < LEAST_FREE


def shortage(nodes: Sequence[tuple[str, int | None]]) -> str | None:
    """One sentence on the nodes, by name and free percent, on which nothing is placed for it; None where none is."""
    low = [(name, free) for name, free in nodes if is_low(free)]
    if not low:
        return None
    (name, free), others = low[0], len(low) - 1
    if others:
        return f"node {name} and {others} more have less than {LEAST_FREE} % of their disk free, {WHAT_TO_DO}"
    return f"node {name} has {free} % of its disk free, {WHAT_TO_DO}"

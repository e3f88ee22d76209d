"""Workers that do nothing: one that counts its rounds, and one whose first round lasts."""

from __future__ import annotations

import threading


class Rounds:
    """A worker that counts its rounds; the first `failing` of them raise."""

    name = "counter"
    rest = 0.0

    def __init__(self, failing: int = 0, pause: float = 1.0) -> None:
        self.failing = failing
        self.pause = pause
        self.count = 0
        self.seen = threading.Condition()

    def round(self) -> float:
        with self.seen:
            self.count += 1
            self.seen.notify_all()
            if self.count <= self.failing:
                raise RuntimeError("the database went away")
        return self.pause

    def reaches(self, count: int) -> bool:
        with self.seen:
            return self.seen.wait_for(lambda: self.count >= count, timeout=10)


class Stuck(Rounds):
    """Its first round lasts until it is let go."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name
        self.free = threading.Event()

    def round(self) -> float:
        super().round()
        self.free.wait(60)
        return 1.0

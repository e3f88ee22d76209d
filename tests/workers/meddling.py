"""An engine that is the real one, but for what a test does before or after one of its calls: die, fail, or meddle."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from app.workers.machines import MachineEngine


class Killed(BaseException):
    """Stands for `kill -9`: nothing catches it but the test."""


class Meddling:
    """`before["submit"]` runs before each `submit`, `after["submit"]` after it; either may raise."""

    def __init__(self, real: MachineEngine) -> None:
        self.real = real
        self.before: dict[str, Callable[[], object]] = {}
        self.after: dict[str, Callable[[], object]] = {}
        self.calls: list[str] = []

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.real, name)

        def call(*args: Any, **kwargs: Any) -> Any:
            self.calls.append(name)
            self.before.get(name, lambda: None)()
            answer = method(*args, **kwargs)
            self.after.get(name, lambda: None)()
            return answer

        return call

    @property
    def as_engine(self) -> MachineEngine:
        return cast("MachineEngine", self)


def kill() -> None:
    raise Killed

"""What every engine can do, and the words that engines and workers exchange.

An engine is where work runs: this machine, SSH machines, Slurm, SkyPilot. It is asked by workers only, never inside
a request, never inside a transaction, and it never touches the database. Every call may block, fail with
`EngineError`, or be repeated after a crash; none may start an attempt's work twice (see `Engine.submit`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol


class EngineError(Exception):
    """The engine could not do what was asked; the message is one sentence for a person.

    `retry` says whether the same call may succeed later (a peer is down) or never will (a refused specification).
    """

    def __init__(self, message: str, *, retry: bool = True) -> None:
        super().__init__(message)
        self.retry = retry


class Isolation(StrEnum):
    """How a job is kept apart from the server and from other jobs; a setting of the pool."""

    NONE = "none"
    USER = "user"
    BUBBLEWRAP = "bubblewrap"
    CONTAINER = "container"


class Signal(StrEnum):
    TERM = "TERM"
    INT = "INT"
    USR1 = "USR1"


class StopReason(StrEnum):
    """Why an attempt is told to stop; written to the job's LATTICE_STOP_FILE."""

    REQUESTED = "requested"
    MAX_DURATION = "max_duration"
    DRAIN = "drain"
    PREEMPTED = "preempted"


class Phase(StrEnum):
    """Where an attempt is, as the engine sees it."""

    PENDING = "pending"  # submitted, the job's own script has not taken the claim yet
    RUNNING = "running"
    STOPPING = "stopping"
    ENDED = "ended"
    LOST = "lost"  # the engine can say for certain that it neither runs nor will report an end


class EndCause(StrEnum):
    """Why an attempt ended; `job.reason` is made from it."""

    EXITED = "exited"  # by itself; see exit_code
    SIGNALED = "signaled"  # killed by a signal that Lattice did not send; see signal
    STOPPED = "stopped"  # after a stop order
    TIMED_OUT = "timed_out"  # max_duration passed
    OUT_OF_MEMORY = "out_of_memory"
    DISK_FULL = "disk_full"
    COMMAND_NOT_FOUND = "command_not_found"
    SETUP_FAILED = "setup_failed"  # `setup` ended with exit_code, `run` never began
    NOT_STARTED = "not_started"  # the machine or the engine could not start it; see detail
    MACHINE_LOST = "machine_lost"  # the machine or container restarted or vanished under it


@dataclass(frozen=True, slots=True, kw_only=True)
class Gpu:
    """One whole GPU of a node; `index` is what CUDA_VISIBLE_DEVICES takes."""

    index: int
    model: str  # "H100", in SkyPilot's spelling
    memory_gib: float
    fake: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeReport:
    """What a node has. CPUs and memory in tenths (of a CPU, of a GiB), so that sums are exact."""

    name: str
    cpu_tenths: int
    memory_tenths: int
    gpus: tuple[Gpu, ...] = ()
    facts: Mapping[str, str] = field(default_factory=dict)  # for the page: "cgroups": "v2", "kernel": "6.1", …


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """A size that can be had, and its price: micro-credits an hour (one credit is one US dollar)."""

    name: str
    cpu_tenths: int
    memory_tenths: int
    gpu_model: str | None
    gpus: int
    price_per_hour: int
    spot: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """An attempt's part of one node."""

    node: str
    cpu_tenths: int
    memory_tenths: int
    gpu_indices: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StopPolicy:
    signal: Signal = Signal.TERM
    grace: float = 30.0  # seconds between the signal and KILL


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """All that an engine needs to run one attempt. `envs` already holds the secrets: never log or list it."""

    attempt_id: str
    job_id: str
    job_name: str
    number: int
    shares: tuple[Share, ...]  # one a node, in rank order
    run: str
    setup: str | None = None
    envs: Mapping[str, str] = field(default_factory=dict, repr=False)
    image: str | None = None
    isolation: Isolation = Isolation.NONE
    max_duration: float | None = None  # seconds from the moment that the claim is taken
    stop: StopPolicy = StopPolicy()
    log_limit: int = 1 << 30  # bytes; past it the middle of the log is cut


@dataclass(frozen=True, slots=True, kw_only=True)
class StopOrder:
    reason: StopReason
    signal: Signal = Signal.TERM
    grace: float = 30.0
    at_once: bool = False  # a second stop: KILL now


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """What the engine knows of an attempt now. Times are aware and in UTC."""

    phase: Phase
    started_at: datetime | None = None
    finished_at: datetime | None = None
    exit_code: int | None = None
    signal: int | None = None
    cause: EndCause | None = None  # when phase is ENDED or LOST; when STOPPING, why it is stopped without an order
    detail: str = ""  # one sentence where the cause alone does not say enough
    log_size: int = 0  # bytes written so far, cut ones included


@dataclass(frozen=True, slots=True, kw_only=True)
class LogPiece:
    """Bytes of an attempt's log from `start` on; `start` is past the asked offset where the middle was cut."""

    start: int
    data: bytes
    complete: bool = False  # the attempt has ended and nothing follows this piece


class Engine(Protocol):
    """One per node pool. Methods are synchronous and called from worker threads, one call at a time a pool."""

    def nodes(self) -> Sequence[NodeReport]:
        """The nodes with what they have in all (not what is free)."""

    def offers(self) -> Sequence[Offer]:
        """Sizes with prices; on owned machines one an hour-price of 0 each."""

    def submit(self, launch: Launch) -> str:
        """Start the attempt and return its handle (opaque, at most 255 characters).

        Repeating it with the same attempt id is harmless: whoever creates `claim` in the attempt's folder first runs
        the job, every other start exits without running it.
        """

    def find(self, attempt_ids: Sequence[str]) -> Mapping[str, str]:
        """The handles of those attempts that a `submit` began, also one that crashed before it returned."""

    def observe(self, handles: Mapping[str, str]) -> Mapping[str, Observation]:
        """Attempt id → observation, for many at once. An attempt that is not in the answer could not be asked now."""

    def stop(self, attempt_id: str, handle: str, order: StopOrder) -> None:
        """Pass the order on; to repeat it changes nothing, except that `at_once` hastens it."""

    def read_log(self, attempt_id: str, handle: str, offset: int, limit: int) -> LogPiece:
        """At most `limit` bytes from `offset` on, of the nodes' output in the order in which it was collected."""

    def discard(self, attempt_id: str, handle: str) -> None:
        """Remove what an ended attempt left behind (its folder), except the job's checkpoint folder."""

    def discard_job(self, job_id: str) -> None:
        """Remove what outlives attempts: the job's checkpoint folder."""

"""What requests about jobs answer. CPUs and memory (GiB) are numbers for each node, times are UTC, sizes in bytes."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from app.accounts.answers import Owner
from app.jobs.form_fields import in_form
from app.jobs.models import JobState, Visibility
from app.jobs.reasons import plain_sentence
from app.web.bulk import Refused
from app.web.forms import Form, Mistake, as_written
from app.web.paging import Page
from app.web.problems import FieldError


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSummary:
    """A job as lists show it. `reason` says in one sentence why it is where it is; `queue_position` 1 is next."""

    id: str
    name: str
    state: JobState
    reason: str
    pool: str
    pool_id: str
    owner: Owner
    visibility: Visibility
    priority: int
    num_nodes: int
    cpus: int | float
    memory: int | float
    accelerators: str | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    exit_code: int | None
    attempt: int | None
    queue_position: int | None

    @property
    def news(self) -> str | None:
        """The reason where it says more than the state does: pages draw no "running in pool local" on each row."""
        return None if self.reason == plain_sentence(self.state, self.pool) else self.reason


@dataclass(frozen=True, slots=True)
class StopView:
    signal: str
    grace: str


@dataclass(frozen=True, slots=True)
class RecoveryView:
    """When the job is run again; see SkyPilot's `job_recovery`."""

    strategy: str
    max_restarts_on_errors: int
    recover_on_exit_codes: list[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptView:
    """One try at running the job. `state` is pending, running, stopping, ended or lost; `nodes` are in rank order.

    `outcome`, once it has ended, is what a job without another attempt would be: succeeded, failed or stopped.
    """

    id: str
    number: int
    state: str
    pool: str
    nodes: list[str]
    gpus: int
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    exit_code: int | None
    outcome: JobState | None
    end_reason: str | None


@dataclass(frozen=True, slots=True)
class JobMay:
    """What whoever asks may do with the job now."""

    stop: bool
    rerun: bool
    change: bool


@dataclass(frozen=True, slots=True)
class TimelineStep:
    at: datetime
    label: str
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class TeamChoice:
    id: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class JobDetail(JobSummary):
    """The whole job. `secrets` has names with null; `task` is the job as a SkyPilot task YAML.

    `team` is the one that it is shared with, where `visibility` is `team`.
    """

    team: TeamChoice | None
    setup: str | None
    run: str
    envs: dict[str, str]
    secrets: dict[str, None]
    image: str | None
    workdir: dict[str, Any] | None
    max_duration: str | None
    job_recovery: RecoveryView | None
    stop: StopView
    estimated_start_at: datetime | None
    estimated_at: datetime | None
    stop_requested_at: datetime | None
    attempts: list[AttemptView]
    log_size: int
    logs_removed_at: datetime | None
    task: str
    may: JobMay
    timeline: list[TimelineStep]


@dataclass(frozen=True, slots=True, kw_only=True)
class JobWithLog(JobDetail):
    """The page's value: the job, the end of its log for browsers that run no scripts, teams it could be shared with.

    `log_tail` is None where the log can't be read now. `fake_gpus`: it asks for GPUs of a pool that only pretends them.
    """

    teams: list[TeamChoice]
    fake_gpus: bool
    log_tail: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobsWithCounts(Page[JobSummary]):
    """The page's value: the list, what it can be narrowed by, and, where it is not, how many jobs are in each state.

    `people`: ids and names of owners to choose from, besides whoever asks.
    """

    counts: dict[str, int]
    pools: list[PoolChoice]
    people: list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class JobCount:
    """`exact` is false when there may be more than `count`."""

    count: int
    exact: bool


@dataclass(frozen=True, slots=True)
class JobTotals:
    """How many jobs there are in each state."""

    states: dict[str, int]


@dataclass(frozen=True, slots=True)
class StopResult:
    """`stopped` counts the jobs that were told to stop now, `unchanged` those that had ended or were told before."""

    stopped: int
    unchanged: int
    refused: list[Refused]


@dataclass(frozen=True, slots=True)
class PreviewError(FieldError):
    """What the pool can't honour."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobPreview:
    """What would be submitted. `price_per_hour` in credits, None where it is not known; `queue_position` is None where
    it could start at once, and where the line is too long to count. `estimated_start_at` is known of the next in line.
    """

    name: str
    pool: str | None
    errors: list[PreviewError]
    num_nodes: int
    cpus: int | float | None
    memory: int | float | None
    accelerators: str | None
    price_per_hour: str | None
    starts_at_once: bool
    queue_position: int | None
    estimated_start_at: datetime | None
    reason: str | None
    task: str

    @property
    def in_form(self) -> list[Mistake]:
        return in_form(self.errors)

    @property
    def as_written(self) -> list[Mistake]:
        return as_written(self.errors)


@dataclass(frozen=True, slots=True)
class PoolChoice:
    id: str
    name: str


@dataclass(frozen=True, slots=True)
class NewJob:
    """The new-job page: the pools and teams to choose from, and the task to begin with where another job is copied.

    `form` has the same task; `left` names what of it the form has no field for.
    """

    pools: list[PoolChoice]
    teams: list[TeamChoice]
    task: str | None = None
    form: Form = dataclasses.field(default_factory=Form)
    left: list[str] = dataclasses.field(default_factory=list)


@dataclass(frozen=True, slots=True)
class LogMatchView:
    """A line that was found; `offset` is where it begins."""

    offset: int
    line: str


@dataclass(frozen=True, slots=True)
class LogMatchPage:
    """Lines that were found; `next` is the offset to search on from, None at the log's end."""

    items: list[LogMatchView]
    next: int | None

"""Jobs, their attempts, documents, secrets and totals: rows only, no decisions.

The stop intent (`stop_*`) is written by requests alone, never by a worker: a worker that holds a stale job
can't lose a stop. A job's state is written by `states.move` alone.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import BigInteger, Column, Index, Integer, Text, UniqueConstraint, literal_column, text
from sqlmodel import Field, SQLModel

from app.db import EnumText, UtcDateTime
from app.engines.protocol import EndCause, Isolation, Phase, Signal
from app.keyring import SEALED, SealedColumn


class JobState(StrEnum):
    QUEUED = "queued"
    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    STOPPED = "stopped"


class Visibility(StrEnum):
    """Who may read a thing besides its owner and role admin."""

    PRIVATE = "private"
    TEAM = "team"
    ORGANIZATION = "organization"


class Job(SQLModel, table=True):
    """One job: what lists show and workers decide by. What was submitted stands in its `JobDocument`.

    `cpu_tenths`, `memory_tenths` and `accelerators` are what it holds on each of `num_nodes` nodes, or would rather
    hold while it is queued; `max_duration` is in seconds.
    `created_at` is the time within `id` (milliseconds), so that a range of times is a range of ids.
    """

    __tablename__ = "job"
    __table_args__ = (
        Index(None, "organization_id", "id"),
        Index(None, "organization_id", "state", "id"),
        Index(None, "organization_id", "owner_id", "id"),
        Index(None, "organization_id", "pool_id", "id"),
        Index(None, "organization_id", "name", "id"),
        Index(
            "ix_job_queue",
            "organization_id",
            "pool_id",
            "queue_rank",
            "id",
            sqlite_where=text("state = 'queued'"),
            postgresql_where=text("state = 'queued'"),
        ),
        Index(
            "ix_job_team",
            "team_id",
            "id",
            sqlite_where=text("team_id IS NOT NULL"),
            postgresql_where=text("team_id IS NOT NULL"),
        ),
        Index(
            "ix_job_finished",
            "finished_at",
            "id",
            sqlite_where=text("finished_at IS NOT NULL"),
            postgresql_where=text("finished_at IS NOT NULL"),
        ),
    )

    id: str = Field(primary_key=True, max_length=40)
    organization_id: str = Field(max_length=40, foreign_key="organization.id")
    owner_id: str = Field(max_length=40, foreign_key="user_account.id")
    pool_id: str = Field(max_length=40, foreign_key="node_pool.id")
    name: str = Field(max_length=120)
    state: JobState = Field(sa_column=Column(EnumText(JobState), nullable=False))
    visibility: Visibility = Field(sa_column=Column(EnumText(Visibility), nullable=False))
    team_id: str | None = Field(default=None, max_length=40, foreign_key="team.id")  # with whom, if with a team
    priority: int = 0
    queue_rank: int = 0  # minus the priority: one ascending index is then the queue's order

    created_at: datetime = Field(sa_type=UtcDateTime)
    started_at: datetime | None = Field(default=None, sa_type=UtcDateTime)  # of the current attempt
    finished_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    exit_code: int | None = None

    num_nodes: int = 1
    cpu_tenths: int = 10
    memory_tenths: int = 10
    accelerators: str | None = Field(default=None, max_length=80)  # "H100:8"
    needs: str = Field(sa_type=Text)  # JSON: every alternative that would do (needs.py), for the scheduler
    max_duration: float | None = None
    stop_signal: Signal = Field(default=Signal.TERM, sa_column=Column(EnumText(Signal), nullable=False))
    stop_grace: float = 30.0  # seconds from the signal to KILL

    reason_code: str | None = Field(default=None, max_length=48)
    reason_args: str = Field(default="{}", sa_type=Text)  # JSON; only what does not move by itself
    not_before: datetime | None = Field(default=None, sa_type=UtcDateTime)  # a pause between quick attempts
    estimated_start_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    estimated_at: datetime | None = Field(default=None, sa_type=UtcDateTime)

    stop_requested_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    stop_by: str | None = Field(default=None, max_length=40)
    stop_at_once: bool = False

    attempt_id: str | None = Field(default=None, max_length=40)  # the current attempt
    attempt_number: int | None = None
    logs_removed_at: datetime | None = Field(default=None, sa_type=UtcDateTime)

    @property
    def is_private(self) -> bool:
        """Whether some in the organization don't see it."""
        return self.visibility is not Visibility.ORGANIZATION

    @property
    def shared_with(self) -> str | None:
        """The team that sees it besides its owner and role admin."""
        return self.team_id


class JobDocument(SQLModel, table=True):
    """What was submitted, apart from the job's row so that a transition rewrites little.

    `spec` is the specification as JSON, without secrets' values. `text` is what search reads (`search.py`).
    `number` ascends with insertion and is the full-text index's row number, which a VACUUM does not change.
    """

    __tablename__ = "job_document"

    number: int | None = Field(
        default=None, sa_column=Column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    )
    job_id: str = Field(max_length=40, foreign_key="job.id", unique=True)
    organization_id: str = Field(max_length=40)
    spec: str = Field(sa_type=Text)
    text: str = Field(sa_type=Text)


class Attempt(SQLModel, table=True):
    """One try at running a job. Open until `closed_at`: its end is applied and its log wholly collected.

    It holds its shares until `finished_at`. Its own log begins at `log_start` of the job's log, and `log_collected`
    bytes of it have been stored.
    """

    __tablename__ = "attempt"
    __table_args__ = (
        UniqueConstraint("job_id", "number"),
        Index(None, "organization_id", "job_id", "id"),
        Index(
            "ix_attempt_open",
            "organization_id",
            "pool_id",
            "id",
            sqlite_where=text("closed_at IS NULL"),
            postgresql_where=text("closed_at IS NULL"),
        ),
        Index(
            "ix_attempt_kept",
            "closed_at",
            "id",
            sqlite_where=text("discarded_at IS NULL AND closed_at IS NOT NULL"),
            postgresql_where=text("discarded_at IS NULL AND closed_at IS NOT NULL"),
        ),
    )

    id: str = Field(primary_key=True, max_length=40)
    organization_id: str = Field(max_length=40)
    job_id: str = Field(max_length=40, foreign_key="job.id")
    pool_id: str = Field(max_length=40, foreign_key="node_pool.id")
    number: int
    phase: Phase = Field(sa_column=Column(EnumText(Phase), nullable=False))
    handle: str | None = Field(default=None, max_length=255)  # None: not known to have been submitted
    isolation: Isolation = Field(sa_column=Column(EnumText(Isolation), nullable=False))
    shares: str = Field(sa_type=Text)  # JSON: [{"node", "cpu_tenths", "memory_tenths", "gpu_indices"}]
    cpu_tenths: int = 0  # of all shares together, as are the next two
    memory_tenths: int = 0
    gpus: int = 0

    created_at: datetime = Field(sa_type=UtcDateTime)
    started_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    finished_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    closed_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    discarded_at: datetime | None = Field(default=None, sa_type=UtcDateTime)  # its folder was removed

    exit_code: int | None = None
    signal: int | None = None
    cause: EndCause | None = Field(default=None, sa_column=Column(EnumText(EndCause), nullable=True))
    detail: str = Field(default="", max_length=500)
    stop_sent_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    stop_hastened: bool = False  # the second order, to kill at once, was sent too

    log_start: int = Field(default=0, sa_type=BigInteger)
    log_collected: int = Field(default=0, sa_type=BigInteger)


class JobLog(SQLModel, table=True):
    """How far a job's log is stored, and the cut out of its middle; made with the first attempt.

    It is advanced in the transaction that advances `Attempt.log_collected`, after the bytes are stored.
    """

    __tablename__ = "job_log"

    job_id: str = Field(primary_key=True, max_length=40, foreign_key="job.id")
    organization_id: str = Field(max_length=40)
    size: int = Field(default=0, sa_type=BigInteger)
    cut_from: int = Field(default=0, sa_type=BigInteger)
    cut_to: int = Field(default=0, sa_type=BigInteger)


class JobSecret(SQLModel, table=True):
    """A secret variable of a job, encrypted with the key that `fingerprint` names."""

    __tablename__ = "job_secret"

    job_id: str = Field(primary_key=True, max_length=40, foreign_key="job.id")
    name: str = Field(primary_key=True, max_length=255)
    organization_id: str = Field(max_length=40)
    ciphertext: str = Field(sa_type=Text)
    fingerprint: str = Field(max_length=64, index=True)


SEALED.append(SealedColumn("job_secret"))


class JobTotal(SQLModel, table=True):
    """How many jobs of a pool are in a state; changed in the transaction of each transition."""

    __tablename__ = "job_total"

    organization_id: str = Field(primary_key=True, max_length=40)
    pool_id: str = Field(primary_key=True, max_length=40)
    state: JobState = Field(sa_column=Column(EnumText(JobState), primary_key=True))
    count: int = Field(default=0, sa_type=BigInteger)


JOB = SQLModel.metadata.tables["job"]
DOCUMENT = SQLModel.metadata.tables["job_document"]
LOG = SQLModel.metadata.tables["job_log"]
ATTEMPT = SQLModel.metadata.tables["attempt"]
SECRET = SQLModel.metadata.tables["job_secret"]
TOTAL = SQLModel.metadata.tables["job_total"]

IS_QUEUED = JOB.c.state == literal_column("'queued'")
"""Written out, not bound: only so does SQLite see that the queue's partial index answers it."""

"""Named queries over jobs. Lists select columns, never parse stored JSON, and scan a bounded number of rows.

Every query for people begins at `_seen_by`, which puts the organization and the visibility on, so that neither can
be left out by accident. A page may be short and still have a next one: then its scan reached the bound.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Column, ColumnElement, Row, Select, String, Table, bindparam, func, or_, select, type_coerce
from sqlmodel import Session

from app.accounts.models import User
from app.accounts.teams.models import TeamMember
from app.jobs.ids import first_id_at
from app.jobs.models import ATTEMPT, JOB, LOG, TOTAL, JobState, Visibility
from app.jobs.states import FINAL
from app.pools.models import POOL
from app.stores.logs import LogState
from app.web.ask import Principal

SCAN = 20_000  # rows that one page looks at before it answers with a cursor to go on from
BOUNDS = (500, 4_000, SCAN)  # most pages are full after the first bound, which costs next to nothing
COUNTED = 10_000  # counts are exact up to here
FEW = 2_000  # rows that are counted by the way, for a list's page
USER: Table = User.metadata.tables["user_account"]
MEMBER: Table = TeamMember.metadata.tables["team_member"]

SUMMARY = (
    JOB.c.id, JOB.c.organization_id, JOB.c.name, JOB.c.state, JOB.c.reason_code, JOB.c.reason_args, JOB.c.pool_id,
    POOL.c.name.label("pool"), JOB.c.owner_id, USER.c.name.label("owner_name"), USER.c.email.label("owner_email"),
    JOB.c.visibility, JOB.c.priority, JOB.c.queue_rank, JOB.c.num_nodes, JOB.c.cpu_tenths, JOB.c.memory_tenths,
    JOB.c.accelerators, JOB.c.created_at, JOB.c.started_at, JOB.c.finished_at, JOB.c.exit_code, JOB.c.attempt_number,
    JOB.c.stop_requested_at.is_not(None).label("is_told"), JOB.c.stop_by, JOB.c.stop_at_once, JOB.c.stop_grace,
)  # fmt: skip
JOINED = JOB.join(POOL, POOL.c.id == JOB.c.pool_id).join(USER, USER.c.id == JOB.c.owner_id)
_SUMMARIES = select(*SUMMARY).select_from(JOINED)
_NEWEST = _SUMMARIES.order_by(JOB.c.id.desc())
_TOTALS = (
    select(TOTAL.c.state, func.sum(TOTAL.c.count))
    .where(TOTAL.c.organization_id == bindparam("organization"))
    .group_by(TOTAL.c.state)
)


@dataclass(frozen=True, slots=True)
class Reader:
    """For whom a list is made: an admin sees all jobs of the organization, a member none of others' private ones."""

    organization_id: str
    user_id: str
    is_admin: bool

    @classmethod
    def of(cls, someone: Principal) -> Reader:
        return cls(someone.organization_id, someone.user_id, someone.is_admin)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFilter:
    """What a list is narrowed to. Times are a half-open range, ids a closed one.

    `untold` leaves out jobs that are told to stop.
    """

    states: tuple[JobState, ...] = ()
    owner_id: str | None = None
    pool_id: str | None = None
    name: str | None = None
    q: str | None = None
    ids: tuple[str, str] | None = None
    created_from: datetime | None = None
    created_before: datetime | None = None
    untold: bool = False


@dataclass(frozen=True, slots=True)
class Found:
    """Rows, newest first, and the id to go on after; None at the end."""

    rows: list[Row[Any]]
    resume: str | None = None


@dataclass(frozen=True, slots=True)
class Counted:
    """`exact` is false when there may be more than `number`."""

    number: int
    exact: bool = True


@dataclass(frozen=True, slots=True)
class Scan:
    """One walk down one index: `driver` are the conditions that the index answers, `rest` what each row is asked."""

    driver: list[ColumnElement[bool]]
    rest: list[ColumnElement[bool]] = field(default_factory=list)


def _seen_by(reader: Reader) -> Scan:
    rest = [] if reader.is_admin else [_open_to(reader)]
    return Scan([JOB.c.organization_id == reader.organization_id], rest)


def _open_to(reader: Reader) -> ColumnElement[bool]:
    mine = or_(JOB.c.owner_id == reader.user_id, JOB.c.team_id.in_(_teams(reader)))
    return or_(JOB.c.visibility == Visibility.ORGANIZATION, mine)


def _teams(reader: Reader) -> Select[Any]:
    return select(MEMBER.c.team_id).where(MEMBER.c.user_id == reader.user_id)


def team_ids(db: Session, reader: Reader) -> frozenset[str]:
    """The teams that the reader is in."""
    return frozenset(db.connection().execute(_teams(reader)).scalars())


def unindexed(column: Column[Any], value: object) -> ColumnElement[bool]:
    """`column = value`, asked of each row: an index on it would lose the order of the walk."""
    return type_coerce(column, String).concat("") == str(value)


def restrictions(reader: Reader, want: JobFilter) -> list[ColumnElement[bool]]:
    """Everything that `reader` and `want` ask of a row, but for the text, none of it by an index."""
    values = ((JOB.c.organization_id, reader.organization_id), *_equalities(want))
    states = [or_(*(unindexed(JOB.c.state, state) for state in want.states))] if want.states else []
    return [*(unindexed(*pair) for pair in values), *states, *_id_range(want), *_rest(reader, want)]


def _rest(reader: Reader, want: JobFilter) -> list[ColumnElement[bool]]:
    """What no index answers."""
    return [*_seen_by(reader).rest, *([JOB.c.stop_requested_at.is_(None)] if want.untold else [])]


def _equalities(want: JobFilter) -> list[tuple[Column[Any], str]]:
    pairs = ((JOB.c.name, want.name), (JOB.c.owner_id, want.owner_id), (JOB.c.pool_id, want.pool_id))
    return [(column, value) for column, value in pairs if value is not None]


def _scans(reader: Reader, want: JobFilter) -> list[Scan]:
    """One scan a state, so that each walks an index in order; the likely rarest filter drives it."""
    return [_scan(reader, want, state) for state in (want.states or (None,))]


def _scan(reader: Reader, want: JobFilter, state: JobState | None) -> Scan:
    scan = Scan(_seen_by(reader).driver, _rest(reader, want))
    equalities: list[tuple[Column[Any], str]] = _equalities(want)
    if state is not None:
        equalities.insert(len(equalities) if state in FINAL else 0, (JOB.c.state, state))
    scan.driver.extend(column == value for column, value in equalities[:1])
    scan.rest.extend(unindexed(column, value) for column, value in equalities[1:])
    scan.driver.extend(_id_range(want))
    return scan


def _id_range(want: JobFilter) -> Iterable[ColumnElement[bool]]:
    if want.created_from:
        yield JOB.c.id >= first_id_at("job", want.created_from)
    if want.created_before:
        yield JOB.c.id < first_id_at("job", want.created_before)
    if want.ids:
        yield JOB.c.id.between(*want.ids)


def is_any_within(db: Session, organization_id: str, ids: tuple[str, str]) -> bool:
    """Whether the organization has a job with an id of that range."""
    query = select(JOB.c.id).where(JOB.c.organization_id == organization_id, JOB.c.id.between(*ids)).limit(1)
    return db.execute(query).first() is not None


def newest(db: Session, reader: Reader, want: JobFilter, after: str | None, limit: int) -> Found:
    """The newest jobs that match, `limit` at most, from the id `after` on downwards."""
    rows: list[Row[Any]] = []
    floor: str | None = None
    for scan in _scans(reader, want):
        found = _walk(db, scan, after, limit)
        rows.extend(found.rows)
        floor = max(floor or "", found.resume or "") or None
    rows.sort(key=lambda row: row.id, reverse=True)
    complete = [row for row in rows if floor is None or row.id >= floor]
    if len(complete) > limit:
        return Found(complete[:limit], complete[limit - 1].id)
    return Found(complete, floor)


def _walk(db: Session, scan: Scan, after: str | None, limit: int) -> Found:
    """Up to `limit + 1` rows of one scan; `resume` is set when it reached its bound."""
    driver = [*scan.driver, *([JOB.c.id < after] if after else [])]
    query: Select[Any] = _NEWEST.where(*driver, *scan.rest).limit(limit + 1)
    if not scan.rest:
        return Found(list(db.connection().execute(query)))
    for bound in BOUNDS:
        floor = _floor(db, driver, bound)
        rows = list(db.connection().execute(query.where(JOB.c.id >= floor) if floor else query))
        if floor is None or len(rows) > limit:
            break
    return Found(rows, floor)


def _floor(db: Session, driver: Sequence[ColumnElement[bool]], bound: int) -> str | None:
    """The id of the last of the first `bound` rows; None where there are no more than that."""
    last = select(JOB.c.id).where(*driver).order_by(JOB.c.id.desc()).offset(bound).limit(1)
    floor: str | None = db.execute(last).scalar()
    return floor


def count(db: Session, reader: Reader, want: JobFilter) -> Counted:
    """How many jobs match: exactly up to COUNTED, of a combination as far as SCAN rows tell. A text is not counted."""
    number, exact = 0, True
    for scan in _scans(reader, want):
        floor = _floor(db, scan.driver, SCAN) if scan.rest else None
        bound = [JOB.c.id >= floor] if floor else []
        matching = select(JOB.c.id).where(*scan.driver, *scan.rest, *bound).limit(COUNTED + 1 - number)
        number += db.execute(select(func.count()).select_from(matching.subquery())).scalar_one()
        exact &= floor is None
        if number > COUNTED:
            return Counted(COUNTED, exact=False)
    return Counted(number, exact)


def count_states(db: Session, reader: Reader, want: JobFilter) -> dict[JobState, int] | None:
    """How many jobs of each state match all but the states and the text; None where FEW rows would not tell."""
    scan = _scan(reader, want, None)
    if _floor(db, scan.driver, FEW) is not None:
        return None
    matching = select(JOB.c.state).where(*scan.driver, *scan.rest).subquery()
    by_state = select(matching.c.state, func.count()).group_by(matching.c.state)
    return _every_state(db.execute(by_state))


def names_of(db: Session, reader: Reader, job_ids: Iterable[str]) -> dict[str, str]:
    """Id → name, of those jobs that `reader` may see."""
    seen = _seen_by(reader)
    query = select(JOB.c.id, JOB.c.name).where(*seen.driver, *seen.rest, JOB.c.id.in_(sorted(set(job_ids))))
    return {row.id: row.name for row in db.execute(query)}


def summary(db: Session, job_id: str) -> Row[Any]:
    """One job's row as lists have it. The caller has already been let in to the job."""
    return db.execute(_SUMMARIES.where(JOB.c.id == job_id)).one()


def attempts(db: Session, job_id: str) -> list[Row[Any]]:
    """All attempts of a job with their pool's name, first to last."""
    query = select(ATTEMPT, POOL.c.name.label("pool")).join(POOL, POOL.c.id == ATTEMPT.c.pool_id)
    return list(db.execute(query.where(ATTEMPT.c.job_id == job_id).order_by(ATTEMPT.c.number)))


def totals(db: Session, organization_id: str) -> dict[JobState, int]:
    """How many jobs of the organization are in each state."""
    return _every_state(db.connection().execute(_TOTALS, {"organization": organization_id}))


def _every_state(counted: Iterable[Any]) -> dict[JobState, int]:
    """From rows of state and number to a number for each state there is."""
    numbers = {state: int(number) for state, number in counted}
    return {state: numbers.get(state, 0) for state in JobState}


def log_state(db: Session, job_id: str) -> LogState:
    """How far the job's log is stored; nothing before its first attempt."""
    row = db.execute(select(LOG.c.size, LOG.c.cut_from, LOG.c.cut_to).where(LOG.c.job_id == job_id)).one_or_none()
    return LogState() if row is None else LogState(row.size, row.cut_from, row.cut_to)


def log_range(db: Session, job_id: str, number: int) -> tuple[int, int] | None:
    """Where an attempt's part of the log begins and ends so far; None where there is no such attempt."""
    columns = (ATTEMPT.c.log_start, ATTEMPT.c.log_collected)
    row = db.execute(select(*columns).where(ATTEMPT.c.job_id == job_id, ATTEMPT.c.number == number)).one_or_none()
    return None if row is None else (row.log_start, row.log_start + row.log_collected)


def user_name(db: Session, user_id: str) -> str | None:
    """What that user is called in a sentence."""
    row = db.execute(select(USER.c.name, USER.c.email).where(USER.c.id == user_id)).one_or_none()
    return None if row is None else row.name or row.email or "an admin"

"""Search: the newest jobs whose name or commands contain a text, a bounded number of matches at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, FromClause, Row, Select, and_, column, select, table
from sqlmodel import Session

from app.jobs.models import DOCUMENT, JOB
from app.jobs.queries import JOINED, SUMMARY, JobFilter, Reader, restrictions
from app.jobs.search import like_pattern, match_phrase

BOUNDS = (500, 8_000)  # matches that one page looks at; each costs four times a row of a plain list
_FTS = table("job_search", column("rowid"), column("text"))


@dataclass(frozen=True, slots=True)
class Matches:
    """Rows, newest first, and the document's number to go on after; None at the end."""

    rows: list[Row[Any]]
    resume: int | None = None


@dataclass(frozen=True, slots=True)
class _Index:
    """The text index of one dialect: what matches, in which order, and how to get from there to the job."""

    matching: ColumnElement[bool]
    number: ColumnElement[int]
    source: FromClause
    joined: FromClause


def newest_matches(db: Session, reader: Reader, want: JobFilter, after: int | None, limit: int) -> Matches:
    """As `queries.newest`, for a `want.q` of at least `search.MIN_LENGTH` characters."""
    index = _index(db, reader, want.q or "")
    driver = [index.matching, *([index.number < after] if after is not None else [])]
    query: Select[Any] = select(*SUMMARY, index.number.label("number")).select_from(index.joined)
    query = query.where(*driver, *restrictions(reader, want)).order_by(index.number.desc()).limit(limit + 1)
    for bound in BOUNDS:
        last = select(index.number).select_from(index.source).where(*driver)
        floor: int | None = db.execute(last.order_by(index.number.desc()).offset(bound).limit(1)).scalar()
        rows = list(db.connection().execute(query if floor is None else query.where(index.number >= floor)))
        if floor is None or len(rows) > limit:
            break
    if len(rows) > limit:
        return Matches(rows[:limit], rows[limit - 1].number)
    return Matches(rows, floor)


def _index(db: Session, reader: Reader, q: str) -> _Index:
    """On SQLite the text's index knows no organization: there others' matches count among those that are looked at."""
    to_job = JOINED.join(DOCUMENT, DOCUMENT.c.job_id == JOB.c.id)
    if db.get_bind().dialect.name == "sqlite":
        joined = to_job.join(_FTS, _FTS.c.rowid == DOCUMENT.c.number)
        return _Index(_FTS.c.text.match(match_phrase(q)), _FTS.c.rowid, _FTS, joined)
    matching = and_(
        DOCUMENT.c.organization_id == reader.organization_id, DOCUMENT.c.text.ilike(like_pattern(q), escape="\\")
    )
    return _Index(matching, DOCUMENT.c.number, DOCUMENT, to_job)

"""The audit trail as a download: CSV or JSON lines, newest first, read in batches.

No session is open between two batches, so that a slow reader holds up nobody.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from enum import StrEnum

from app.db import Database
from app.events import queries
from app.events.answers import EventView
from app.events.models import Event
from app.web.answer import dumps
from app.web.ask import Principal
from app.web.streams import ByteStream, made_in_threads

AT_ONCE = 1000
MEDIA = "text/csv, application/jsonl"
COLUMNS = (
    "seq", "at", "action", "subject_id", "subject_name", "actor_kind", "actor_id", "actor_name", "key_id", "ip",
    "request_id", "data",
)  # fmt: skip
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")  # what a spreadsheet would carry out rather than show


class ExportFormat(StrEnum):
    CSV = "csv"
    JSONL = "jsonl"


def export(db: Database, me: Principal, want: queries.EventFilter, kind: ExportFormat) -> ByteStream:
    def pieces() -> Iterator[bytes]:
        yield _csv_lines([COLUMNS]) if kind is ExportFormat.CSV else b""
        for batch in _batches(db, me, want):
            yield _csv_lines([_cells(e) for e in batch]) if kind is ExportFormat.CSV else _json_lines(batch)

    media = "text/csv; charset=utf-8" if kind is ExportFormat.CSV else "application/jsonl"
    headers = {"Content-Disposition": f'attachment; filename="lattice-events.{kind}"'}
    return ByteStream(lambda: made_in_threads(pieces()), media, headers)


def _batches(db: Database, me: Principal, want: queries.EventFilter) -> Iterator[Sequence[Event]]:
    before: int | None = None
    while True:
        with db.read() as session:
            rows = queries.newest(session, me, want, limit=AT_ONCE, before=before)
        batch = rows[:AT_ONCE]
        if batch:
            yield batch
        if len(rows) <= AT_ONCE:
            return
        before = batch[-1].seq


def _json_lines(batch: Sequence[Event]) -> bytes:
    return b"".join(dumps(EventView.of(e)) + b"\n" for e in batch)


def _csv_lines(rows: Sequence[Sequence[str]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerows(rows)
    return text.getvalue().encode()


def _cells(e: Event) -> Sequence[str]:
    values = (
        e.seq, e.at.isoformat(), e.action, e.subject_id, e.subject_name, e.actor_kind, e.actor_id, e.actor_name,
        e.key_id, e.ip, e.request_id, e.data,
    )  # fmt: skip
    return [as_text("" if value is None else str(value)) for value in values]


def as_text(cell: str) -> str:
    """The cell with an apostrophe before it where a spreadsheet would take it for a formula."""
    return f"'{cell}" if cell.startswith(FORMULA) else cell

"""The full-text index over `job_document`: statements for a migration, conditions for queries.

SQLite: an FTS5 trigram table over `job_document`, kept by triggers. Postgres: a pg_trgm GIN index.
"""

from __future__ import annotations

from collections.abc import Sequence

MIN_LENGTH = 3  # a trigram
TEXT_LENGTH = 4_000  # characters of a job that search reads

_SQLITE_UP = (
    "CREATE VIRTUAL TABLE job_search USING fts5("
    "text, content='job_document', content_rowid='number', tokenize='trigram')",
    "CREATE TRIGGER job_search_added AFTER INSERT ON job_document BEGIN "
    "INSERT INTO job_search(rowid, text) VALUES (new.number, new.text); END",
    "CREATE TRIGGER job_search_removed AFTER DELETE ON job_document BEGIN "
    "INSERT INTO job_search(job_search, rowid, text) VALUES ('delete', old.number, old.text); END",
    "CREATE TRIGGER job_search_changed AFTER UPDATE OF text ON job_document BEGIN "
    "INSERT INTO job_search(job_search, rowid, text) VALUES ('delete', old.number, old.text); "
    "INSERT INTO job_search(rowid, text) VALUES (new.number, new.text); END",
)
_SQLITE_DOWN = (
    "DROP TRIGGER IF EXISTS job_search_changed",
    "DROP TRIGGER IF EXISTS job_search_removed",
    "DROP TRIGGER IF EXISTS job_search_added",
    "DROP TABLE IF EXISTS job_search",
)
_POSTGRES_UP = (
    "CREATE EXTENSION IF NOT EXISTS pg_trgm",
    "CREATE INDEX job_search ON job_document USING gin (text gin_trgm_ops)",
)
_POSTGRES_DOWN = ("DROP INDEX IF EXISTS job_search",)


def upgrade_ddl(dialect: str) -> Sequence[str]:
    """Statements that make the index of `job_document`. Autogenerate must leave `job_search*` alone."""
    return _SQLITE_UP if dialect == "sqlite" else _POSTGRES_UP


def downgrade_ddl(dialect: str) -> Sequence[str]:
    return _SQLITE_DOWN if dialect == "sqlite" else _POSTGRES_DOWN


def searchable(name: str, *parts: str | None) -> str:
    """The text of a job that search reads: its name, then what it runs, one a line, cut at TEXT_LENGTH."""
    return "\n".join((name, *(p for p in parts if p)))[:TEXT_LENGTH]


def match_phrase(q: str) -> str:
    """`q` as one FTS5 phrase: no operator of its query language is left in it."""
    return '"' + q.replace('"', '""') + '"'


def like_pattern(q: str) -> str:
    """`q` as a LIKE pattern that means itself; the escape is a backslash."""
    return "%" + q.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"

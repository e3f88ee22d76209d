"""Which errors are answers to a person, one sentence each, and the exit status of each. All others are bugs."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy.exc import DatabaseError, DBAPIError, OperationalError, ProgrammingError

from app.backup.errors import BackupError
from app.datadir import DataDirError
from app.keyring import KeyringError
from app.migrate import MigrationError
from app.settings import SettingsError
from app.stores.objects import StoreError
from app.web.problems import Invalid, Problem

COULD_NOT = 1
WRONG_INPUT = 2


class Refusal(Exception):
    """A command can't do what it was asked; the message is one sentence."""


@dataclass(frozen=True, slots=True)
class Explained:
    sentence: str
    status: int


def explain(wrong: Exception) -> Explained | None:
    """The sentence and the exit status, or None for an error that nobody foresaw."""
    if isinstance(wrong, SettingsError):
        return Explained(str(wrong), WRONG_INPUT)
    if isinstance(wrong, Problem):
        return Explained(wrong.detail, WRONG_INPUT if isinstance(wrong, Invalid) else COULD_NOT)
    if isinstance(wrong, BackupError | DataDirError | KeyringError | MigrationError | StoreError | Refusal):
        return Explained(str(wrong), COULD_NOT)
    if isinstance(wrong, DBAPIError) and _is_of_the_database(wrong):
        return Explained(
            f"The database (DATABASE_URL, else in LATTICE_DATA_DIR) can't be used: {_reason(wrong)}.",
            COULD_NOT,
        )
    return None


def _is_of_the_database(wrong: DBAPIError) -> bool:
    """It can't be reached or used, or is none (a file of another kind), or the driver does not know its address's
    options, which it says before any statement.
    """
    no_such_option = isinstance(wrong, ProgrammingError) and wrong.statement is None
    return isinstance(wrong, OperationalError) or type(wrong) is DatabaseError or no_such_option


def _reason(wrong: DBAPIError) -> str:
    """The driver's words in one line; neither driver repeats a password."""
    return " ".join(str(wrong.orig).split()).rstrip(".")[:500]

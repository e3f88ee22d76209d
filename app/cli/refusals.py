"""Which errors are answers to a person, one sentence each, and the exit status of each. All others are bugs."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy.exc import DatabaseError, DBAPIError, OperationalError

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
    if isinstance(wrong, OperationalError) or type(wrong) is DatabaseError:  # the latter: a file that is none
        return Explained(
            f"The database (DATABASE_URL, else in LATTICE_DATA_DIR) can't be used: {_reason(wrong)}.",
            COULD_NOT,
        )
    return None


def _reason(wrong: DBAPIError) -> str:
    """The driver's words in one line; neither driver repeats a password."""
    return " ".join(str(wrong.orig).split()).rstrip(".")[:500]

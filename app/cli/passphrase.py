"""Where a backup's passphrase comes from: a file, the environment or a question; never the command line."""

from __future__ import annotations

import os
import sys
from getpass import getpass
from pathlib import Path

from app.cli.refusals import Refusal

VARIABLE = "LATTICE_BACKUP_PASSPHRASE"
SHORTEST = 12


def new_passphrase(file: Path | None) -> str:
    """For a backup to be written: asked for twice, and not too short."""
    given = _given(file)
    passphrase = _asked("Passphrase for the backup: ") if given is None else given
    if len(passphrase) < SHORTEST:
        raise Refusal(f"The passphrase is too short: a backup holds every key, so use at least {SHORTEST} characters.")
    if given is None and _asked("The same again: ") != passphrase:
        raise Refusal("The two passphrases differ; nothing was written.")
    return passphrase


def known_passphrase(file: Path | None) -> str:
    """For a backup to be read."""
    given = _given(file)
    return _asked("Passphrase of the backup: ") if given is None else given


def _given(file: Path | None) -> str | None:
    if file is None:
        return os.environ.get(VARIABLE) or None
    try:
        return file.read_text().partition("\n")[0].rstrip("\r")
    except (OSError, UnicodeDecodeError):
        raise Refusal(f"The passphrase can't be read from {file}.") from None


def _asked(question: str) -> str:
    if not sys.stdin.isatty():
        raise Refusal(f"There is nobody to ask for the passphrase: set {VARIABLE} or use --passphrase-file.")
    return getpass(question)

"""What one running server holds: settings, database, keys, stores. Built once in `main`, handed to handlers and workers.

It knows how to reach things, never what to do with them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from app.datadir import DataDir
from app.db import Database
from app.keyring import Keyring
from app.settings import Settings
from app.stores.logs import LogStore


def _nobody_listens(_name: str) -> None:
    return None


@dataclass(slots=True)
class Site:
    settings: Settings
    db: Database
    datadir: DataDir
    keyring: Keyring
    logs: LogStore
    cookie_passwords: tuple[str, ...]
    wake: Callable[[str], None] = field(default=_nobody_listens)  # a hint to the worker of that name

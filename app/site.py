"""What one running server holds: settings, database, keys, stores.

Built once at start and handed to handlers and workers. It knows how to reach things, never what to do with them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.accounts.directory import Directory
    from app.accounts.providers.protocol import Provider
    from app.datadir import DataDir
    from app.db import Database
    from app.events.pulse import Pulse
    from app.keyring import Keyring
    from app.settings import Settings
    from app.stores.logs import LogStore
    from app.web.peer import Peer


def _nobody_works(_name: str) -> None:
    return None


@dataclass(slots=True, kw_only=True)
class Site:
    settings: Settings
    db: Database
    datadir: DataDir
    keyring: Keyring
    logs: LogStore
    store: Peer  # through which requests read `logs`
    pulse: Pulse
    cookie_passwords: tuple[str, ...]
    provider: Provider  # of sign-in
    directory: Directory  # of organizations, members and invitations
    wake: Callable[[str], None] = _nobody_works  # a hint to the worker of that name, after a commit

"""Which provider the settings ask for, and the directory that goes with it."""

from __future__ import annotations

from app.accounts.directory import Directory
from app.accounts.local_directory import LocalDirectory
from app.accounts.providers.local import LocalProvider
from app.accounts.providers.protocol import Provider
from app.accounts.workos.directory import WorkOSDirectory
from app.accounts.workos.provider import WorkOSProvider
from app.settings import Settings


def sign_in_with(settings: Settings) -> tuple[Provider, Directory]:
    if not settings.has_workos:
        return LocalProvider(), LocalDirectory()
    provider = WorkOSProvider(settings)
    return provider, WorkOSDirectory(provider, settings)

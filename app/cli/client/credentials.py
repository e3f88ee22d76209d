"""Where the API keys of `lattice login` are kept: one file in the user's config folder that nobody else may read.

A key belongs to one server's address and is never sent to another. LATTICE_URL and LATTICE_API_KEY go before it.
"""

from __future__ import annotations

import json
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from app.cli.client.errors import NOT_SIGNED_IN, REFUSED, USAGE, ClientError

DEFAULT_URL = "http://localhost:8000"


@dataclass(frozen=True, slots=True)
class Credential:
    """`key` is None where nobody is signed in there."""

    url: str
    key: str | None
    from_environment: bool = False


def path() -> Path:
    """`$XDG_CONFIG_HOME/lattice/credentials.json`."""
    base = os.environ.get("XDG_CONFIG_HOME", "")
    folder = Path(base) if base.startswith("/") else Path.home() / ".config"
    return folder / "lattice" / "credentials.json"


def current(url: str = "") -> Credential:
    """The server that is meant (`url`, LATTICE_URL, that of the last login) and the key for it."""
    kept = _read()
    where = checked_url(url or os.environ.get("LATTICE_URL", "") or kept.get("current") or DEFAULT_URL)
    given = os.environ.get("LATTICE_API_KEY", "")
    if given:
        return Credential(where, given, from_environment=True)
    return Credential(where, kept.get("keys", {}).get(where))


def needed(url: str = "") -> Credential:
    found = current(url)
    if found.key is None:
        raise ClientError(f"You are not signed in at {found.url}: run `lattice login`.", NOT_SIGNED_IN)
    return found


def keep(url: str, key: str) -> None:
    kept = _read()
    _write({"current": url, "keys": {**kept.get("keys", {}), url: key}})


def forget(url: str) -> None:
    kept = _read()
    keys = {where: key for where, key in kept.get("keys", {}).items() if where != url}
    _write({"current": next(iter(keys), None), "keys": keys})


def checked_url(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.path not in {"", "/"}:
        raise ClientError(f"{url!r} is not a server's address, such as https://lattice.example.org.", USAGE)
    return f"{parts.scheme}://{parts.netloc}".lower()


def _read() -> dict[str, Any]:
    file = path()
    try:
        if file.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise ClientError(f"{file} can be read by others: run `chmod 600 {file}`, or `lattice login` anew.")
        found = json.loads(file.read_text())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as wrong:
        raise ClientError(f"{file} can't be read: {wrong}.", REFUSED) from None
    return found if isinstance(found, dict) else {}


def _write(kept: dict[str, Any]) -> None:
    """In one step and with mode 0600 from the beginning."""
    file = path()
    new = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        new.unlink(missing_ok=True)
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
            json.dump(kept, out, indent=1)
        new.replace(file)
    except OSError as wrong:
        raise ClientError(f"{file} can't be written: {wrong.strerror}.") from None

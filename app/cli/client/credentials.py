"""Where the API keys of `lattice login` are kept: one file in the user's config folder that nobody else may read.

A key belongs to one server's address and is never sent to another. LATTICE_URL and LATTICE_API_KEY go before it: where
both say all there is to know, the file is not looked at.
"""

from __future__ import annotations

import contextlib
import json
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
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


@dataclass(frozen=True, slots=True)
class Kept:
    """What the file holds: the server of the last login, and the key of each server."""

    current: str = ""
    keys: Mapping[str, str] = field(default_factory=dict)


def path() -> Path:
    """`$XDG_CONFIG_HOME/lattice/credentials.json`."""
    base = os.environ.get("XDG_CONFIG_HOME", "")
    try:
        folder = Path(base) if base.startswith("/") else Path.home() / ".config"
    except RuntimeError:  # neither HOME nor the list of users has it
        raise ClientError("You have no home folder: set HOME, or both LATTICE_URL and LATTICE_API_KEY.") from None
    return folder / "lattice" / "credentials.json"


def current(url: str = "") -> Credential:
    """The server that is meant (`url`, LATTICE_URL, that of the last login) and the key for it."""
    says_all = (url or os.environ.get("LATTICE_URL")) and os.environ.get("LATTICE_API_KEY")
    return _meant(url, Kept() if says_all else _read())


def to_be_replaced(url: str = "") -> Credential:
    """As `current`, for a login: a file that can't be used is no obstacle, since it is written anew."""
    return _meant(url, _usable())


def _meant(url: str, kept: Kept) -> Credential:
    where = checked_url(url or os.environ.get("LATTICE_URL", "") or kept.current or DEFAULT_URL)
    given = os.environ.get("LATTICE_API_KEY", "")
    return Credential(where, given or kept.keys.get(where), from_environment=bool(given))


def needed(url: str = "") -> Credential:
    found = current(url)
    if found.key is None:
        raise ClientError(f"You are not signed in at {found.url}: run `lattice login`.", NOT_SIGNED_IN)
    return found


def keep(url: str, key: str) -> None:
    _write({"current": url, "keys": {**_usable().keys, url: key}})


def forget(url: str) -> None:
    keys = {where: key for where, key in _read().keys.items() if where != url}
    _write({"current": next(iter(keys), None), "keys": keys})


def checked_url(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.path not in {"", "/"}:
        raise ClientError(f"{url!r} is not a server's address, such as https://lattice.example.org.", USAGE)
    return f"{parts.scheme}://{parts.netloc}".lower()


def _read() -> Kept:
    file = path()
    try:
        if file.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise ClientError(f"{file} can be read by others: run `chmod 600 {file}`, or `lattice login` anew.")
        return _parsed(file)
    except FileNotFoundError:
        return Kept()
    except (OSError, ValueError) as wrong:
        why = wrong.strerror if isinstance(wrong, OSError) else wrong
        raise ClientError(f"{file} can't be read: {why}. `lattice login` writes it anew.", REFUSED) from None


def _usable() -> Kept:
    """What there is of the file for a login that writes it anew: nothing that others could have written."""
    file = path()
    try:
        written_by_others = file.stat().st_mode & (stat.S_IWGRP | stat.S_IWOTH)
        return Kept() if written_by_others else _parsed(file)
    except (OSError, ValueError):
        return Kept()


def _parsed(file: Path) -> Kept:
    """Raises ValueError for what no login has written."""
    try:
        found = json.loads(file.read_text())
        current, keys = found["current"] or "", found["keys"]
        if isinstance(current, str) and all(isinstance(text, str) for pair in keys.items() for text in pair):
            return Kept(checked_url(current) if current else "", keys)
    except (AttributeError, KeyError, TypeError, RecursionError, ClientError, json.JSONDecodeError):
        pass
    raise ValueError("it is not what `lattice login` writes")


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
        with contextlib.suppress(OSError):
            new.unlink(missing_ok=True)
        raise ClientError(f"{file} can't be written: {wrong.strerror}.") from None

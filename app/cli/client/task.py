"""What `lattice jobs submit` sends: a task file as it is, or with options put into it; or a command line."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.cli.client.errors import REFUSED, USAGE, ClientError


@dataclass(frozen=True, slots=True)
class Options:
    """What stands beside the file or the command; None where it was not given."""

    name: str | None
    pool: str | None
    gpus: str | None
    cpus: str | None
    memory: str | None
    env: Sequence[str]
    secret: Sequence[str]

    def fields(self) -> dict[str, Any]:
        """As fields of a job."""
        resources = {"accelerators": self.gpus, "cpus": self.cpus, "memory": self.memory}
        given: dict[str, Any] = {
            "name": self.name,
            "pool": self.pool,
            "resources": {name: value for name, value in resources.items() if value is not None},
            "envs": _variables("--env", self.env),
            "secrets": _variables("--secret", self.secret),
        }
        return {name: value for name, value in given.items() if value}


def of_command(words: Sequence[str], options: Options) -> dict[str, Any]:
    """A job of a command line. One word alone is a line for the shell, several are one command with its arguments."""
    if not words:
        raise ClientError("There is no command after `--`.", USAGE)
    return {**options.fields(), "run": words[0] if len(words) == 1 else shlex.join(words)}


def of_file(file: Path, options: Options) -> bytes:
    """The file unchanged, or with the options in the place of its own fields."""
    text = _read(file)
    fields = options.fields()
    return _changed(text, fields) if fields else text


def _read(file: Path) -> bytes:
    try:
        return sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    except OSError as wrong:
        raise ClientError(f"{file} can't be read: {wrong.strerror}.", USAGE) from None


def _changed(text: bytes, fields: Mapping[str, Any]) -> bytes:
    import yaml

    try:
        task = yaml.safe_load(text)
    except yaml.YAMLError:
        raise ClientError("Options go with one task in YAML, which this file is not.", REFUSED) from None
    if not isinstance(task, dict):
        raise ClientError("Options go with one task in YAML, which this file is not.", REFUSED)
    own = (task.get("_metadata") or {}).get("lattice")
    for name, value in fields.items():
        if isinstance(own, dict):
            own.pop(name, None)
        task[name] = {**(task.get(name) or {}), **value} if isinstance(value, dict) else value
    return yaml.safe_dump(task, sort_keys=False, allow_unicode=True).encode()


def _variables(option: str, given: Sequence[str]) -> dict[str, str]:
    """`NAME=VALUE`, or `NAME` with the value that it has here."""
    found = {}
    for entry in given:
        name, has_value, value = entry.partition("=")
        if not has_value and name not in os.environ:
            raise ClientError(f"{option} {name}: it has no value here; write {name}=VALUE.", USAGE)
        found[name] = value if has_value else os.environ[name]
    return found

"""The values of a `JobSubmit`, not yet checked, as the fields of the console's form: the way back of `form_fields`.

What the form has no field for is named, so that nobody loses it unawares. The value of a secret is never a field's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.engines.protocol import Signal
from app.jobs.answers import PoolChoice, TeamChoice
from app.jobs.resources import parse_accelerators

GROUPS = ("resources", "stop")


@dataclass(frozen=True, slots=True)
class TaskFields:
    """`left`: the dotted paths of what the form can't show."""

    fields: dict[str, str]
    left: list[str]


def to_form_fields(values: Mapping[str, Any], choices: Mapping[str, Mapping[str, str]]) -> TaskFields:
    """`choices`: for `pool` and `team`, from what may be written to what the form's option of it has as its value."""
    fields: dict[str, str] = {}
    left: list[str] = []
    for path, value in _parts(values):
        if path == "envs" and isinstance(value, dict):
            fields["envs_text"] = "\n".join(_line(name, v) for name, v in value.items() if _is_one_line(name, v))
            left += [f"envs.{name}" for name, v in value.items() if not _is_one_line(name, v)]
            continue
        field, write = WRITTEN.get(path, (path, _not_at_all))
        text = choices[path].get(str(value)) if path in choices else write(value)
        if text is None:
            left.append(path)
        else:
            fields[field] = text
    return TaskFields(fields, left)


def _parts(values: Mapping[str, Any]) -> Iterable[tuple[str, Any]]:
    for name, value in values.items():
        if name in GROUPS and isinstance(value, dict):
            yield from ((f"{name}.{inner}", part) for inner, part in value.items() if part is not None)
        elif value not in (None, "", [], {}) and (name, value) != ("visibility", "team"):  # the team says so itself
            yield name, value


def _is_one_line(name: object, value: object) -> bool:
    return value is not None and not isinstance(value, dict | list) and len(_line(name, value).splitlines()) == 1


def _line(name: object, value: object) -> str:
    return f"{name}={value}"


def _script(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _word(value: object) -> str | None:
    is_plain = isinstance(value, str | int | float) and not isinstance(value, bool)
    return str(value) if is_plain and "\n" not in str(value) else None


def _accelerators(value: object) -> str | None:
    try:
        return ", ".join(str(one) for one in parse_accelerators(value))
    except ValueError:
        return _word(value)


def _container(value: object) -> str | None:
    is_one = isinstance(value, str) and value.startswith("docker:")
    return str(value).removeprefix("docker:") if is_one else None


def _signal(value: object) -> str | None:
    name = str(value).upper().removeprefix("SIG")
    return name if name in set(Signal) else None


def _visibility(value: object) -> str | None:
    return str(value) if value in ("private", "organization") else None


def _names(value: object) -> str | None:
    """Lines without `=`, which the form refuses until each has its value again."""
    return "\n".join(str(name) for name in value) if isinstance(value, dict) else None


def _not_at_all(value: object) -> None:
    return None


WRITTEN: Mapping[str, tuple[str, Callable[[object], str | None]]] = {
    "name": ("name", _word),
    "run": ("run", _script),
    "setup": ("setup", _script),
    "num_nodes": ("num_nodes", _word),
    "secrets": ("secrets_text", _names),
    "image": ("image", _word),
    "pool": ("pool", _word),
    "team": ("visibility", _word),
    "visibility": ("visibility", _visibility),
    "priority": ("priority", _word),
    "max_duration": ("max_duration", _word),
    "stop.signal": ("stop.signal", _signal),
    "stop.grace": ("stop.grace", _word),
    "resources.accelerators": ("resources.accelerators", _accelerators),
    "resources.gpus": ("resources.accelerators", _accelerators),
    "resources.cpus": ("resources.cpus", _word),
    "resources.memory": ("resources.memory", _word),
    "resources.image_id": ("image", _container),
    "resources.priority": ("priority", _word),
}


def choices_of(pools: Sequence[PoolChoice], teams: Sequence[TeamChoice]) -> dict[str, dict[str, str]]:
    """A pool and a team may be written by name or by id; the form offers pools by name and teams as `team:ID`."""
    return {
        "pool": {written: pool.name for pool in pools for written in (pool.id, pool.name)},
        "team": {written: f"team:{team.id}" for team in teams for written in (team.name, team.id)},
    }

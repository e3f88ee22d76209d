"""The console's new-job form as the values of a `JobSubmit`: lines become maps, the YAML tab becomes fields.

What is wrong with the values goes the other way, to the form's field, by the name that it has there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

from app.jobs.task_yaml import parse_task
from app.web.forms import Mistake
from app.web.problems import FieldError, Invalid

NUMBERS = ("num_nodes", "priority")
SWITCHES = ("use_spot", "autostop")
SWITCH = {"on": True, "true": True, "off": False, "false": False}
LINES = {"envs_text": "envs", "secrets_text": "secrets"}
LABELS = {
    "name": "Name", "run": "Run", "setup": "Set-up", "resources.accelerators": "GPUs", "resources.cpus": "CPUs",
    "resources.memory": "Memory", "num_nodes": "Nodes", "envs_text": "Variables", "secrets_text": "Secret variables",
    "image": "Container image", "pool": "Pool", "priority": "Priority", "visibility": "Seen by",
    "max_duration": "At most", "stop.signal": "Stopped with", "stop.grace": "Time to save",
}  # fmt: skip
PLACES = {**{name: name for name in LABELS}, **{name: field for field, name in LINES.items()}, "team": "visibility"}


def from_form_fields(fields: dict[str, Any]) -> dict[str, Any]:
    """`fields` is nested by dots already. `envs_text` and `secrets_text` have a NAME=VALUE on each line; a `task_yaml`
    replaces every other field except the pool that was picked. Raises Invalid."""
    if task := fields.get("task_yaml"):
        return _with_pool(parse_task(str(task).encode("utf-8", "surrogatepass")), fields.get("pool"))
    values = split_choice({name: value for name, value in fields.items() if name not in LINES})
    for name, field in LINES.items():
        if lines := fields.get(name):
            values[field] = {**_map(values.get(field)), **parse_variables(str(lines), name)}
    resources = _map(values.get("resources"))
    _typed(values, NUMBERS, _number)
    _typed(resources, SWITCHES, lambda text: SWITCH.get(text.lower(), text))
    accelerators = resources.get("accelerators")
    if isinstance(accelerators, str) and "," in accelerators and "{" not in accelerators:
        resources["accelerators"] = [part.strip() for part in accelerators.split(",") if part.strip()]
    return {**values, "resources": resources} if resources else values


def in_form(errors: Iterable[FieldError]) -> list[Mistake]:
    """Each at the form's field that its value was typed in: `envs.1X` is a line of Variables."""
    return [_placed(error) for error in errors]


def _placed(error: FieldError) -> Mistake:
    place = next((name for name in PLACES if error.field == name or error.field.startswith(f"{name}.")), None)
    if place is None:
        return Mistake(error.field, error.message)
    field, part = PLACES[place], error.field[len(place) + 1 :]
    return Mistake(field, f"{part}: {error.message}" if part else error.message, LABELS[field])


def split_choice(fields: dict[str, Any]) -> dict[str, Any]:
    """One field of the form chooses both: a `visibility` of `team:ID` is visibility `team` and that team."""
    kind, colon, team = str(fields.get("visibility", "")).partition(":")
    return {**fields, "visibility": kind, "team": team} if colon else fields


def _typed(values: dict[str, Any], names: tuple[str, ...], made: Callable[[str], object]) -> None:
    """A form has text alone; what can't be made stays text, for the model to refuse."""
    for name in names:
        if isinstance(values.get(name), str):
            values[name] = made(values[name])


def _number(text: str) -> object:
    return int(text) if re.fullmatch(r"\s*[+-]?\d{1,9}\s*", text, re.ASCII) else text


def _map(value: object) -> dict[str, Any]:
    return dict(value) if isinstance(value, dict) else {}


def _with_pool(values: dict[str, Any], pool: object) -> dict[str, Any]:
    return {**values, "pool": pool} if pool and not values.get("pool") else values


def parse_variables(lines: str, field: str) -> dict[str, str]:
    """NAME=VALUE lines, kept as they are; empty lines and those that begin with # are left out. Raises Invalid."""
    found: dict[str, str] = {}
    mistakes: list[FieldError] = []
    for number, line in enumerate(lines.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        name, equals, value = line.partition("=")
        name = name.strip()
        if not equals:
            mistakes.append(FieldError(field, f"Line {number} is not NAME=VALUE."))
        elif name in found:
            mistakes.append(FieldError(field, f"Line {number} gives {name[:100]} a second time."))
        found[name] = value
    if mistakes:
        raise Invalid(mistakes[0].message, errors=mistakes[:20])
    return found

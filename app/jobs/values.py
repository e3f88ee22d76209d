"""The single values of a job's specification: text, names, numbers, maps. Each check says in a sentence what is wrong.

A wrong value raises ValueError, or `Wrong` where several parts of one value are wrong; pydantic puts the path in front.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

NAME_MOST = 100
SCRIPT_MOST = 200_000  # characters of setup, and of run
LINE_MOST = 1_000
VARIABLES_MOST = 500
VARIABLE_MOST = 100_000  # bytes; Linux takes at most 128 KiB in one variable
DEPTH_MOST = 24
ITEMS_MOST = 20_000

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

IMAGE = re.compile(
    r"[A-Za-z0-9][A-Za-z0-9._-]*(?::[0-9]{1,5}(?=/))?(?:/[A-Za-z0-9][A-Za-z0-9._-]*)*"  # a registry's host, a path
    r"(?::[A-Za-z0-9_][A-Za-z0-9._-]{0,127})?(?:@sha256:[0-9a-f]{64})?"
)

SURROGATE = re.compile("[\ud800-\udfff]")

Path = tuple[int | str, ...]


def wrong(mistakes: Iterable[tuple[Path, str]]) -> ValidationError:
    """One error for each (path within the value, sentence); raise it from a validator."""
    details = [
        InitErrorDetails(type=PydanticCustomError("wrong_value", "{text}", {"text": text}), loc=path, input=None)
        for path, text in mistakes
    ]
    return ValidationError.from_exception_data("value", details)


def check_plain(value: object) -> None:
    """Refuse what no database or process takes: NUL, lone surrogates, huge numbers, NaN; and what nests too deep."""
    mistakes: list[tuple[Path, str]] = []
    left: list[tuple[Path, object]] = [((), value)]
    seen = 0
    while left and len(mistakes) < 20:
        path, item = left.pop()
        seen += 1
        if seen > ITEMS_MOST or len(path) > DEPTH_MOST:
            raise wrong([((), "This has too many parts, or nests too deep.")])
        if sentence := _unfit(item):
            mistakes.append((path, sentence))
        for key, inner in _inside(item):
            if sentence := _unfit(key):
                mistakes.append((path, f"A name in it is not fit. {sentence}"))
            else:
                left.append(((*path, key if isinstance(key, int | str) else str(key)), inner))
    if mistakes:
        raise wrong(mistakes)


def _inside(item: object) -> Iterable[tuple[object, object]]:
    if isinstance(item, dict):
        return item.items()
    return enumerate(item) if isinstance(item, list | tuple) else ()


def _unfit(item: object) -> str | None:
    if isinstance(item, str):
        if "\0" in item:
            return "Text can't hold the NUL character."
        if SURROGATE.search(item):
            return "Text can't hold half of a surrogate pair: it is not valid Unicode."
    if isinstance(item, float) and not math.isfinite(item):
        return "Give a finite number."
    if isinstance(item, int) and not -(2**63) <= item < 2**63:
        return "This number is too large."
    return None


def whole(least: int, most: int) -> BeforeValidator:
    """For `Annotated[int, Field(ge=1, le=10), whole(1, 10)]`: a whole number within bounds."""

    def check(value: object) -> int:
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool):
            raise ValueError(f"Give a whole number from {least:,} to {most:,}.")
        if not least <= value <= most:
            raise ValueError(f"{value:,} is not from {least:,} to {most:,}.")
        return value

    return BeforeValidator(check)


def text_of(value: object, most: int) -> str:
    if not isinstance(value, str):
        raise ValueError("Give text.")
    if len(value) > most:
        raise ValueError(f"This has {len(value):,} characters; at most {most:,} are taken.")
    return value


Line = Annotated[str, Field(max_length=LINE_MOST), BeforeValidator(lambda value: text_of(value, LINE_MOST))]


def or_null(schema: dict[str, Any]) -> None:
    """For `json_schema_extra` of a model that leaves out what is null: say so of every field that is not required."""
    for name, field in schema["properties"].items():
        null = {"type": "null"}
        if name not in schema.get("required", ()) and null not in field.get("anyOf", ()):
            described = {key: field.pop(key) for key in ("title", "description", "default") if key in field}
            schema["properties"][name] = {"anyOf": [field, null], **described}


def check_team(shared: bool, team: str | None) -> None:
    """A team is named when, and only when, the job is shared with one."""
    if shared and team is None:
        raise wrong([(("team",), "Name the team that shall see it.")])
    if team is not None and not shared:
        raise wrong([(("team",), "This goes with visibility: team alone.")])


def check_name(value: object) -> str:
    name = text_of(value, NAME_MOST).strip()
    if not NAME.fullmatch(name):
        raise ValueError(
            "A name is made of letters without accents, digits, dots, hyphens and underscores, "
            "and begins with a letter or a digit."
        )
    return name


def check_image(value: object) -> str:
    """A name such as a registry has it: no option of the tool that runs it, no archive on the node's disk.

    SkyPilot's `docker:python:3.12` is python:3.12; `docker:24` is itself a name, of the image `docker`.
    """
    image = text_of(value, LINE_MOST)
    if not IMAGE.fullmatch(image):
        image = image.removeprefix("docker:")
    if not IMAGE.fullmatch(image):
        raise ValueError("This is not the name of a container image, such as python:3.12 or ghcr.io/team/image:tag.")
    return image


def check_script(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("Give the commands as text.")
    return text_of(value.replace("\r\n", "\n"), SCRIPT_MOST)


def check_run(value: object) -> str:
    script = check_script(value)
    if not script.strip():
        raise ValueError("Say what to run, such as: python train.py")
    return script


def variables(value: object, empty: str) -> dict[str, str]:
    """Environment variables from a map; `empty` is said of one without a value. Numbers become text as in SkyPilot."""
    if not isinstance(value, dict):
        raise ValueError("Give a map from names to values.")
    if len(value) > VARIABLES_MOST:
        raise ValueError(f"At most {VARIABLES_MOST} variables are taken, {len(value)} were given.")
    mistakes: list[tuple[Path, str]] = []
    good: dict[str, str] = {}
    for name, given in value.items():
        if sentence := _variable(str(name), given, empty):
            mistakes.append(((str(name)[:100],), sentence))
        good[str(name)] = str(given)
    if mistakes:
        raise wrong(mistakes[:50])
    return good


OURS = frozenset(
    f"SKYPILOT_{name}"
    for name in ("NODE_RANK", "NODE_IPS", "NUM_NODES", "NUM_GPUS_PER_NODE", "TASK_ID", "INTERNAL_JOB_ID")
)


def _variable(name: str, given: object, empty: str) -> str | None:
    if not VARIABLE.fullmatch(name) or len(name) > 255:
        return "A variable's name is made of letters, digits and underscores, and does not begin with a digit."
    if name.startswith("LATTICE_") or name in OURS:
        return f"{name} is set by Lattice itself: choose another name."
    if given is None:
        return empty
    if isinstance(given, list | dict | tuple | set):
        return "A variable's value is text or a number."
    if len(str(given).encode()) > VARIABLE_MOST:
        return f"A variable's value has at most {VARIABLE_MOST:,} bytes."
    return None


def mapping(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError("Give a map from names to values.")
    return {str(name): inner for name, inner in value.items()}

"""Amounts of compute as people write them: cpus "4+", memory "16GB", accelerators "H100:8" or a list of them.

Each `parse_` returns exact whole numbers (tenths of a CPU, tenths of a GiB, whole GPUs) or raises ValueError with a
sentence. The forms are those of SkyPilot's task YAML.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from fractions import Fraction

MOST_CPUS = 10_000
MOST_MEMORY = 100_000  # GiB
MOST_GPUS = 10_000
MOST_CHOICES = 64
NUMBER = re.compile(r"\d{1,40}(?:\.\d{1,9})?|\.\d{1,9}")
BY_MEMORY = re.compile(r"\d+[GMT]B\+?", re.IGNORECASE)
MODEL = re.compile(r"[A-Za-z][A-Za-z0-9._-]{0,63}")
KIB = {"k": -2, "m": -1, "g": 0, "t": 1, "p": 2}  # powers of 1024, of a GiB


@dataclass(frozen=True, slots=True)
class Amount:
    """Tenths of a CPU or of a GiB; `at_least` was written as a trailing "+"."""

    tenths: int
    at_least: bool = False

    def __str__(self) -> str:
        return f"{format_tenths(self.tenths)}{'+' if self.at_least else ''}"


@dataclass(frozen=True, slots=True)
class Accelerator:
    model: str
    count: int

    def __str__(self) -> str:
        return f"{self.model}:{self.count}"


def format_tenths(tenths: int) -> str:
    """15 is "1.5", 40 is "4"."""
    whole, rest = divmod(tenths, 10)
    return f"{whole}.{rest}" if rest else str(whole)


def parse_cpus(value: object) -> Amount:
    """`4`, `0.5`, `"4"` or `"4+"`."""
    number, at_least = _number_and_plus(value, 'a number of CPUs such as 4, 0.5 or "4+"')
    return Amount(_tenths(number, MOST_CPUS, "CPUs"), at_least)


def parse_memory(value: object) -> Amount:
    """GiB: `16`, `"16+"`, `"16GB"` (of 1024³ bytes), `"512MB"`; sizes under a GiB are rounded up to tenths."""
    example = 'a size in GiB such as 16, "16+" or "16GB"'
    if isinstance(value, str) and (sized := re.fullmatch(r"(.*?)\s*([kmgtp])(?:i|b|ib)?(\+?)", value.strip(), re.I)):
        number, _ = _number_and_plus(sized[1], example, shown=value)
        exact = number * Fraction(1024) ** KIB[sized[2].lower()]
        return Amount(_tenths(Fraction(math.ceil(exact * 10), 10), MOST_MEMORY, "GiB"), bool(sized[3]))
    number, at_least = _number_and_plus(value, example)
    return Amount(_tenths(number, MOST_MEMORY, "GiB"), at_least)


def _number_and_plus(value: object, expected: str, shown: object = None) -> tuple[Fraction, bool]:
    text = str(value).strip() if isinstance(value, int | float | str) and not isinstance(value, bool) else ""
    at_least = text.endswith("+") and isinstance(value, str)
    text = text.removesuffix("+").strip()
    if not NUMBER.fullmatch(text):
        raise ValueError(f"{str(shown or value)[:40]!r} is not {expected}.")
    return Fraction(text), at_least


def _tenths(number: Fraction, most: int, unit: str) -> int:
    tenths = number * 10
    if tenths.denominator != 1:
        raise ValueError(f"Fractions of {unit} are in steps of 0.1.")
    if not 1 <= tenths <= most * 10:
        raise ValueError(f"Give from 0.1 to {most:,} {unit}.")
    return int(tenths)


def parse_accelerators(value: object) -> tuple[Accelerator, ...]:
    """`"H100:8"`, `"H100"`, `{"H100": 8}`, `{"H100:8": null, "A100:8": null}` or a list; several mean any of them."""
    found = tuple(dict.fromkeys(_accelerator(name, count) for name, count in _named_counts(value)))
    if not found:
        raise ValueError('Name an accelerator, such as "H100:8", or leave the field out.')
    if len(found) > MOST_CHOICES:
        raise ValueError(f"Name at most {MOST_CHOICES} accelerators.")
    return found


def _named_counts(value: object) -> list[tuple[object, object]]:
    if isinstance(value, str):
        text = value.strip()
        if text.startswith("{") and text.endswith("}"):  # a set in YAML's flow style, kept as text
            return [(part.strip().strip("'\""), None) for part in text[1:-1].split(",") if part.strip()]
        return [(text, None)]
    if isinstance(value, dict):
        return list(value.items())
    if isinstance(value, list | tuple | set | frozenset):
        return [(item, None) for item in value]
    raise ValueError('Write accelerators as "H100:8", as a map {"H100": 8}, or as a list of either.')


def _accelerator(name: object, count: object) -> Accelerator:
    if isinstance(name, dict) and len(name) == 1:
        ((name, count),) = name.items()
    if not isinstance(name, str):
        raise ValueError(f'{str(name)[:40]!r} is not an accelerator such as "H100:8".')
    model, _, written = name.strip().partition(":")
    if any(BY_MEMORY.fullmatch(part) for part in name.split(":")):
        raise ValueError(f'{name[:40]!r} asks by memory size: name models, such as ["H100:1", "A100-80GB:1"].')
    if not MODEL.fullmatch(model) or (written and count is not None) or isinstance(count, str):
        raise ValueError(f'{name[:40]!r} is not an accelerator such as "H100:8".')
    return Accelerator(model, _gpus(name, written or (1 if count is None else count)))


def _gpus(name: str, count: object) -> int:
    text = str(count).strip()
    if isinstance(count, bool) or not isinstance(count, int | float | str) or not NUMBER.fullmatch(text):
        raise ValueError(f'{name[:40]!r} has no whole number of GPUs: write it as "H100:8".')
    number = Fraction(text)
    if number.denominator != 1:
        raise ValueError(f"{text[:40]} of a GPU was asked for, but GPUs are given whole.")
    if not 1 <= number <= MOST_GPUS:
        raise ValueError(f"Give from 1 to {MOST_GPUS:,} GPUs for each node.")
    return int(number)


def same_model(one: str, other: str) -> bool:
    return one.casefold() == other.casefold()

"""HTML forms: decode them, and give a page back what was typed and what is wrong with it.

Nested fields are dotted (`resources.cpus`), repeated names make lists, empty strings are left out. Names that begin
with `_` belong to the frame: `_method`, `_organization`, the organization that the form was rendered for, and `_next`,
the page that it was on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from python_multipart import create_form_parser
from python_multipart.exceptions import FormParserError

from app.web.problems import BadRequest, FieldError, Problem

URLENCODED = "application/x-www-form-urlencoded"
FORM_TYPES = (URLENCODED, "multipart/form-data")
MOST_FIELDS = 2000


@dataclass(slots=True)
class FormFields:
    raw: dict[str, list[str]]

    def first(self, name: str) -> str | None:
        values = self.raw.get(name)
        return values[0] if values else None

    def nested(self) -> dict[str, Any]:
        """The fields without the frame's own, as the nested values that a body model is built from."""
        out: dict[str, Any] = {}
        for name, values in self.raw.items():
            kept = [v for v in values if v != ""]
            if name.startswith("_") or not kept:
                continue
            _put(out, name.split("."), kept if len(kept) > 1 or name.endswith("[]") else kept[0])
        return out


def _put(out: dict[str, Any], path: list[str], value: Any) -> None:
    *parents, last = path
    for part in parents[:8]:
        inner = out.setdefault(part, {})
        if not isinstance(inner, dict):
            return
        out = inner
    out[last.removesuffix("[]")] = value


def ticked(fields: Mapping[str, Any], name: str) -> list[str]:
    """The checkboxes of that name that are ticked: one arrives as a text, several as a list."""
    found = fields.get(name, [])
    return [found] if isinstance(found, str) else found


def parse_form(data: bytes, content_type: str) -> FormFields:
    """Decode an urlencoded or multipart body; raises BadRequest. Files in it are refused: no form takes one."""
    if content_type.lower().startswith("multipart/form-data"):
        pairs = _multipart(data, content_type)
    else:
        pairs = _urlencoded(data)
    raw: dict[str, list[str]] = {}
    for name, value in pairs:
        raw.setdefault(name, []).append(value.replace("\r\n", "\n"))
    return FormFields(raw)


def _urlencoded(data: bytes) -> list[tuple[str, str]]:
    try:
        return parse_qsl(data.decode(), keep_blank_values=True, max_num_fields=MOST_FIELDS, errors="strict")
    except ValueError:
        raise BadRequest("The form could not be read: it is not UTF-8, or has too many fields.") from None


def _multipart(data: bytes, content_type: str) -> list[tuple[str, str]]:
    pairs: list[tuple[str, str]] = []
    files: list[object] = []

    def on_field(found: Any) -> None:
        if len(pairs) >= MOST_FIELDS:
            raise FormParserError("too many fields")
        pairs.append((found.field_name.decode(), (found.value or b"").decode()))

    try:
        parser = create_form_parser({"Content-Type": content_type.encode()}, on_field, files.append)
        parser.write(data)
        parser.finalize()
    except (FormParserError, ValueError, KeyError):
        raise BadRequest("The form could not be read.") from None
    if files:
        raise BadRequest("This form takes no files.")
    return pairs


@dataclass(frozen=True, slots=True)
class Mistake:
    """One sentence about one field. `label` is what the form calls it; empty where the form has no such field."""

    name: str
    message: str
    label: str = ""


def as_written(errors: Sequence[FieldError]) -> list[Mistake]:
    """Named as in the body: for what was written by hand, and for forms that have not said what they call it."""
    return [Mistake(error.field, error.message) for error in errors]


@dataclass(slots=True)
class Form:
    """What a page shows in its form: `values` as typed (dotted name → text or list), and what is wrong with them."""

    values: Mapping[str, Any] = field(default_factory=dict)
    mistakes: Sequence[Mistake] = ()
    problem: Problem | None = None

    @property
    def errors(self) -> dict[str, str]:
        """The first sentence about each field, by its dotted name."""
        return {mistake.name: mistake.message for mistake in reversed(self.mistakes)}

    def differs(self, initial: Mapping[str, str]) -> bool:
        """Whether one of these fields has a mistake, or another value than it begins with."""
        return any(name in self.errors or self.values.get(name, value) != value for name, value in initial.items())

    @classmethod
    def rejected(cls, fields: FormFields, problem: Problem, body: type | None = None) -> Form:
        """`body` may say by `in_form` where its fields stand in the form."""
        values = {
            name.removesuffix("[]"): (texts[0] if len(texts) == 1 and not name.endswith("[]") else texts)
            for name, texts in fields.raw.items()
            if not name.startswith("_")
        }
        placed = getattr(body, "in_form", None)
        mistakes = placed(values, problem.errors) if placed else as_written(problem.errors)
        return cls(values, mistakes, problem)

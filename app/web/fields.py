"""Kinds of text that bodies are made of. What a database or a page can't hold is refused here, with a sentence."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BeforeValidator,
    StringConstraints,
    TypeAdapter,
    ValidationError,
    WithJsonSchema,
)

from app.durations import parse_duration


def storable(text: str) -> str:
    """No NUL (Postgres can't hold it) and no lone surrogate (UTF-8 can't)."""
    if "\x00" in text:
        raise ValueError("This contains a NUL character.")
    if any("\ud800" <= c <= "\udfff" for c in text):
        raise ValueError("This contains a lone surrogate, which is not text.")
    return text


def one_line(text: str) -> str:
    if not text.isprintable():
        raise ValueError("Use one line of printable characters.")
    return text


Name = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=100),
    AfterValidator(storable),
    AfterValidator(one_line),
]
FilterText = Annotated[str, StringConstraints(strip_whitespace=True, max_length=200), AfterValidator(storable)]
ID_TEXT = re.compile(r"[a-z]{2,8}_[0-9a-z]{1,40}")


def id_text(text: str) -> str:
    if not ID_TEXT.fullmatch(text):
        raise ValueError(f"{text[:60]!r} is not an id, such as job_01jd2x7k9m.")
    return text


Id = Annotated[
    str, AfterValidator(id_text), WithJsonSchema({"type": "string", "pattern": r"^[a-z]{2,8}_[0-9a-z]{1,40}$"})
]


def in_range(moment: datetime) -> datetime:
    """A time that can be reckoned with: some days may be added or taken away."""
    if not 1970 <= moment.year <= 9000:
        raise ValueError("Give a year from 1970 to 9000.")
    return moment


def rfc3339(value: object) -> object:
    """A time is a text with a zone; a number, which could mean seconds or milliseconds, is not one."""
    if not isinstance(value, str) or value.strip("-+.0123456789") == "":
        raise ValueError("Write a time as RFC 3339 does, such as 2030-01-31T12:00:00Z.")
    return value


def yes_or_no(value: object) -> object:
    """true or false; a form writes them as texts. 0 and 1 are numbers."""
    if isinstance(value, bool) or value in ("true", "false"):
        return value
    raise ValueError("Write true or false.")


def number(value: object) -> object:
    """true is no 1, nor false a 0."""
    if isinstance(value, bool):
        raise ValueError("Give a number.")
    return value


Moment = Annotated[AwareDatetime, BeforeValidator(rfc3339), AfterValidator(in_range)]
Flag = Annotated[bool, BeforeValidator(yes_or_no)]
NUMBER = BeforeValidator(number)  # stands last among what a number is annotated with


_MOMENT: TypeAdapter[datetime] = TypeAdapter(Moment)
_AGO = re.compile(r"\d{1,6}[mhdw]")
NO_MOMENT = "Write how long ago, such as 90m, 24h or 7d, or a time such as 2030-01-31T12:00:00Z."
_ANY_NOW = datetime(2000, 1, 1, tzinfo=UTC)


def since_moment(text: str, now: datetime) -> datetime:
    """The moment that a `Since` stands for. Raises ValueError with a sentence."""
    if _AGO.fullmatch(text):
        return now - timedelta(seconds=parse_duration(text))
    try:
        return _MOMENT.validate_python(text)
    except ValidationError:
        raise ValueError(NO_MOMENT) from None


def since_text(text: str) -> str:
    since_moment(text, _ANY_NOW)
    return text


Since = Annotated[
    str,
    AfterValidator(since_text),
    WithJsonSchema({"type": "string", "examples": ["24h", "7d", "2030-01-31T12:00:00Z"]}),
]


def own_path(text: str | None) -> str | None:
    """The text if it is a path of this server, else None: never another site, whatever its spelling."""
    if not text or not text.startswith("/") or text[1:2] in {"/", "\\"} or "\\" in text or not text.isprintable():
        return None
    return text

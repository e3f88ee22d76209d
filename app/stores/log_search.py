"""Finding text and errors in a block of log bytes: which lines, at what offset, and how they are shown.

It works on bytes with `find`, which is many times quicker than one large pattern, and never on a whole log at once.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

LINE_SHOWN = 500  # bytes of a line that a match shows
BEFORE_MATCH = 120  # of those, how many may stand before what was found

# ECMA-48 control sequences, operating system commands and two-character escapes; none reaches past a line's end
ESCAPES = re.compile(rb"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b\n]*(?:\x07|\x1b\\)?|[ -/]*[0-~])")

# what an error's line holds: a quick look for these words first, then the pattern decides
ERROR_WORDS = (
    b"Traceback", b"Error", b"Exception", b"ERROR", b"FATAL", b"CRITICAL", b"OOM", b"rror: ", b"atal: ", b"panic: ",
    b"CUDA error", b"ut of memory", b"OutOfMemory", b"Killed", b"Aborted", b"egmentation fault", b"core dumped",
    b"No space left", b"command not found", b"Permission denied", b"NCCL WARN",
)  # fmt: skip
ERROR_LINE = re.compile(
    rb"Traceback \(most recent call last\)|(?:Error|Exception)\b|\b(?:ERROR|FATAL|CRITICAL|OOM)\b"
    rb"|OOM[- ]?[Kk]ill|\b(?:[Ee]rror|[Ff]atal|panic): (?!-?[\d.])|CUDA error|\b[Oo]ut of memory\b|OutOfMemory"
    rb"|\b(?:Killed|Aborted)\b|\b[Ss]egmentation fault\b|\(core dumped\)|No space left on device|: command not found"
    rb"|Permission denied|NCCL WARN"
)

Finder = Callable[[bytes], Iterator[int]]
"""Gives the positions of what it looks for in a text without escapes: ascending, at most one a line."""


@dataclass(frozen=True, slots=True)
class LogMatch:
    """A line that was found: the offset where it begins, and its text, clipped and without escapes."""

    offset: int
    line: str


@dataclass(frozen=True, slots=True)
class LogMatches:
    """Lines that were found; `next` is where to search on, None at the end of the log."""

    items: tuple[LogMatch, ...]
    next: int | None


def find_text(needle: str) -> Finder:
    """Finds the text, whatever its case. Raises ValueError for an empty text or one of several lines."""
    if not needle or "\n" in needle:
        raise ValueError("expected one line of text to search for")
    if needle.isascii():
        small = needle.lower().encode()
        return lambda text: _one_a_line(text, _places(text.lower(), (small,)))
    either = b"".join(_either_case(letter) for letter in needle)
    pattern = re.compile(either)
    return lambda text: _one_a_line(text, (found.start() for found in pattern.finditer(text)))


def find_errors(text: bytes) -> Iterator[int]:
    """Finds tracebacks, error and fatal messages, CUDA errors, memory and disk exhaustion, kills and the like."""
    for place in _one_a_line(text, sorted(_places(text, ERROR_WORDS))):
        start, end = _line_around(text, place)
        if found := ERROR_LINE.search(text, start, end):
            yield found.start()


def matches(block: bytes, base: int, finder: Finder) -> Iterator[LogMatch]:
    """The lines of `block`, whose first byte stands at offset `base` of the log, that the finder finds."""
    text = strip_escapes(block)
    escaped = len(text) != len(block)
    seen = raw_start = 0
    for place in finder(text):
        start, end = _line_around(text, place)
        for _ in range(text.count(b"\n", seen, start) if escaped else 0):
            raw_start = block.index(b"\n", raw_start) + 1
        seen = start
        yield LogMatch(base + (raw_start if escaped else start), _shown(text, start, end, place))


def strip_escapes(text: bytes) -> bytes:
    return ESCAPES.sub(b"", text) if b"\x1b" in text else text


def _places(text: bytes, words: tuple[bytes, ...]) -> Iterator[int]:
    """Where each word stands, word by word, at most once a line and word."""
    for word in words:
        place = text.find(word)
        while place >= 0:
            yield place
            end = text.find(b"\n", place)
            place = text.find(word, end) if end >= 0 else -1


def _one_a_line(text: bytes, places: Iterator[int] | list[int]) -> Iterator[int]:
    end = -1
    for place in places:
        if place > end:
            yield place
            end = _line_around(text, place)[1]


def _line_around(text: bytes, place: int) -> tuple[int, int]:
    end = text.find(b"\n", place)
    return text.rfind(b"\n", 0, place) + 1, end if end >= 0 else len(text)


def _shown(text: bytes, start: int, end: int, place: int) -> str:
    """The line, or of one that was overwritten (a progress bar) the part that was found, clipped around the place."""
    start = max(start, text.rfind(b"\r", start, place) + 1)
    overwritten = text.find(b"\r", place, end)
    end = overwritten if overwritten >= 0 else end
    first = start if place - start <= BEFORE_MATCH or end - start <= LINE_SHOWN else place - BEFORE_MATCH
    last = min(end, first + LINE_SHOWN)
    line = text[first:last].decode("utf-8", "replace").strip("\ufffd" * (first > start or last < end) or None)
    return "…" * (first > start) + line + "…" * (last < end)


def _either_case(letter: str) -> bytes:
    forms = {re.escape(form.encode()) for form in (letter, letter.lower(), letter.upper())}
    return b"(?:" + b"|".join(sorted(forms)) + b")"

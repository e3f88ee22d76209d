"""Paging by key: a list answers `{"items": […], "next": cursor | null}`.

A cursor carries the last item's sort key and a fingerprint of the filters it was made for; under other filters, or
bent, it is 400. Nothing here counts or skips rows.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Generic, TypeVar

import orjson
from pydantic import Field

from app.web.problems import BadRequest
from app.web.query import Query

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    items: list[T]
    next: str | None = None


class ListQuery(Query):
    """The query of every list; filters are added by subclasses."""

    limit: Annotated[int, Field(ge=1, le=200, description="Items a page.")] = 50
    cursor: Annotated[str | None, Field(max_length=1000, description="`next` of the page before.")] = None

    def fingerprint(self) -> str:
        filters = self.model_dump(mode="json", exclude={"limit", "cursor"}, exclude_none=True)
        return hashlib.sha256(orjson.dumps(filters, option=orjson.OPT_SORT_KEYS)).hexdigest()[:12]

    def after(self, *kinds: type) -> tuple[Any, ...] | None:
        """The sort key to go on after (one value of each of `kinds`), None on the first page; 400 if it is bent."""
        if self.cursor is None:
            return None
        try:
            fingerprint, *key = orjson.loads(base64.urlsafe_b64decode(self.cursor + "=" * (-len(self.cursor) % 4)))
        except (ValueError, TypeError):
            raise BadRequest("The cursor is not one that this list gave out.") from None
        if fingerprint != self.fingerprint():
            raise BadRequest("The cursor was given out for other filters; start again without it.")
        if len(key) != len(kinds) or any(type(v) is not k for v, k in zip(key, kinds, strict=True)):
            raise BadRequest("The cursor is not one that this list gave out.")
        if any((isinstance(v, str) and "\x00" in v) or (isinstance(v, int) and abs(v) >= 1 << 63) for v in key):
            raise BadRequest("The cursor is not one that this list gave out.")
        return tuple(key)

    def cursor_at(self, *key: str | int) -> str:
        packed = orjson.dumps([self.fingerprint(), *key])
        return base64.urlsafe_b64encode(packed).rstrip(b"=").decode()

    def page(self, rows: Sequence[R], key: Callable[[R], tuple[str | int, ...]], item: Callable[[R], T]) -> Page[T]:
        """Make the page from up to `limit + 1` rows, in order: the extra row says that there is a next page."""
        kept = rows[: self.limit]
        more = len(rows) > self.limit
        return Page([item(r) for r in kept], self.cursor_at(*key(kept[-1])) if more else None)

"""What can go wrong, as values: each `Problem` has a status and a sentence, and three faces that `answer` draws.

The JSON face is `application/problem+json` (RFC 9457).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FieldError:
    """One wrong field: its dotted path as it stands in the body (`resources.cpus`), and what to do about it."""

    field: str
    message: str


class Problem(Exception):
    """Raised anywhere under a handler; `detail` is one sentence for a person, `members` are more of the JSON."""

    status = 500
    title = "Something went wrong"

    def __init__(
        self,
        detail: str,
        *,
        errors: Sequence[FieldError] = (),
        headers: Mapping[str, str] | None = None,
        members: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.errors = tuple(errors)
        self.headers = dict(headers or {})
        self.members = dict(members or {})


class BadRequest(Problem):
    status = 400
    title = "Bad request"


class Unauthenticated(Problem):
    status = 401
    title = "Not signed in"


class Forbidden(Problem):
    status = 403
    title = "Not allowed"


class NotFound(Problem):
    status = 404
    title = "Not found"


class MethodNotAllowed(Problem):
    status = 405
    title = "Method not allowed"


class Conflict(Problem):
    status = 409
    title = "Conflict"


class Gone(Problem):
    status = 410
    title = "No longer here"


class TooSlow(Problem):
    status = 408
    title = "Too slow"


class TooLarge(Problem):
    status = 413
    title = "Too large"


class UnsupportedMedia(Problem):
    status = 415
    title = "Unsupported content type"


class Invalid(Problem):
    """Fields that can't be accepted; `errors` says which and why."""

    status = 422
    title = "Some fields need attention"

    @classmethod
    def field(cls, field: str, message: str) -> Invalid:
        return cls(message, errors=[FieldError(field, message)])


class TooManyRequests(Problem):
    status = 429
    title = "Too many requests"


class Unavailable(Problem):
    status = 503
    title = "Not available right now"

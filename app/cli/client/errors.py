"""What a client's command could not do: one sentence, and the exit status that scripts tell apart."""

from __future__ import annotations

REFUSED = 1
USAGE = 2
NOT_SIGNED_IN = 3
NOT_REACHED = 4


class ClientError(Exception):
    """`code`: OAuth's word for it, where the server gave one. `retry_after`: seconds, where it said so."""

    def __init__(
        self, sentence: str, status: int = REFUSED, *, code: str = "", retry_after: float | None = None
    ) -> None:
        super().__init__(sentence)
        self.status = status
        self.code = code
        self.retry_after = retry_after

"""Calls to WorkOS, each under a deadline: what it answers, or one of two errors. It keeps nothing and decides nothing.

The client library takes most of a second to import, so that happens at the first call. Answers are read by our own
shapes (shapes.py), which ask for no more than is needed, so that an older server, a proxy or an emulator serves too.
What else may answer at that address (an ingress without a route, a proxy's page) is silence: it knows of nobody.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ValidationError

from app.accounts.providers.protocol import ProviderUnreachable
from app.accounts.workos.shapes import ListShape, RefusalShape

if TYPE_CHECKING:
    from workos import WorkOSClient

log = logging.getLogger("lattice.workos")
SECONDS = 5
PAGE = 100
MOST_PAGES = 1000
NOT_ABOUT_US = {401, 408, 429}  # and 5xx: nothing follows for the person or thing that was asked about

S = TypeVar("S", bound=BaseModel)


class WorkOSRefused(Exception):
    """WorkOS understood, and said no. `status` is HTTP's, `code` WorkOS's own."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(f"WorkOS: {message[:200]} ({status} {code})")
        self.status = status
        self.code = code


class Api:
    """`trouble` is a sentence while the last call found nobody there."""

    def __init__(self, *, api_key: str, client_id: str, base_url: str) -> None:
        self.client_id = client_id
        self.base_url = base_url
        self.trouble: str | None = None
        self._api_key = api_key
        self._client: WorkOSClient | None = None
        self._lock = threading.Lock()

    @property
    def credential(self) -> dict[str, str]:
        """What the token endpoint wants in the body, beside the header."""
        return {"client_secret": self._api_key}

    def get(self, shape: type[S], *path: str, **params: str) -> S:
        return self._read(shape, self._call("GET", path, params=params))

    def post(self, shape: type[S], *path: str, body: Mapping[str, Any]) -> S:
        return self._read(shape, self._call("POST", path, body=body))

    def do(self, method: str, *path: str, body: Mapping[str, Any] | None = None) -> None:
        """A call whose answer does not matter."""
        self._call(method, path, body=body)

    def all(self, shape: type[S], *path: str, **params: str) -> list[S]:
        """The whole list, oldest first, page by page."""
        found: list[S] = []
        after: dict[str, str] = {}
        for _ in range(MOST_PAGES):
            page = self.get(ListShape, *path, limit=str(PAGE), order="asc", **params, **after)
            found += [self._read(shape, item) for item in page.data]
            if not page.list_metadata.after:
                return found
            after = {"after": page.list_metadata.after}
        raise ProviderUnreachable("WorkOS answers a list without an end.")

    def _call(
        self,
        method: str,
        path: tuple[str, ...],
        *,
        params: Mapping[str, Any] | None = None,
        body: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        from workos import WorkOSError

        try:
            answer = self._open().request_raw(
                method, path, params=dict(params or {}), body=None if body is None else dict(body)
            )
        except (WorkOSError, AttributeError) as failed:  # AttributeError: an error's JSON that is no object
            status: int | None = getattr(failed, "status_code", None)
            code = _word(getattr(failed, "response_json", None))
            if status is None or status >= 500 or status in NOT_ABOUT_US or code is None:
                raise self._unreachable(str(failed), own_key=status == 401) from failed
            self.trouble = None
            raise WorkOSRefused(status, code, str(failed)) from failed
        self.trouble = None
        return answer

    def _open(self) -> WorkOSClient:
        with self._lock:
            if self._client is None:
                from workos import WorkOSClient

                self._client = WorkOSClient(
                    api_key=self._api_key,
                    client_id=self.client_id,
                    base_url=self.base_url,
                    request_timeout=SECONDS,
                    max_retries=0,
                )
            return self._client

    def close(self) -> None:
        with self._lock:
            if self._client is not None:
                self._client.close()
                self._client = None

    def _unreachable(self, why: str, *, own_key: bool = False) -> ProviderUnreachable:
        sentence = "WorkOS refuses this server's AUTH_API_KEY." if own_key else "WorkOS can't be reached."
        if self.trouble is None:
            log.warning("%s Those who are signed in go on; nobody else gets in until it answers: %s", sentence, why)
        self.trouble = sentence
        return ProviderUnreachable(sentence)

    def _read(self, shape: type[S], answer: object) -> S:
        try:
            return shape.model_validate(answer)
        except ValidationError as wrong:
            raise self._unreachable(f"an answer makes no sense: {wrong.error_count()} wrong fields") from wrong


def _word(body: object) -> str | None:
    """The code of WorkOS's own error; None for any other body."""
    try:
        return RefusalShape.model_validate(body).word
    except ValidationError:
        return None

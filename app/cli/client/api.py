"""The server as the client's commands see it: calls that answer, or raise ClientError with the server's sentence."""

from __future__ import annotations

import contextlib
import ipaddress
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx2

from app import __version__
from app.cli.client.credentials import Credential
from app.cli.client.errors import NOT_REACHED, NOT_SIGNED_IN, REFUSED, ClientError

API = "/api/v1"
SILENCE = 40  # seconds; a stream says at least every 15 that it is there


class Api:
    """`with Api(credential) as api: api.call("GET", "/jobs")`."""

    def __init__(self, credential: Credential) -> None:
        headers = {"User-Agent": f"lattice/{__version__}"}
        if credential.key:
            headers["Authorization"] = f"Bearer {credential.key}"
        self.url = credential.url
        try:
            self._client = httpx2.Client(
                base_url=credential.url + API,
                headers=headers,
                timeout=httpx2.Timeout(SILENCE, connect=10),
                trust_env=not _is_here(credential.url),
            )
        except ValueError:  # a key with characters that no header can hold
            raise ClientError("LATTICE_API_KEY is not an API key.", NOT_SIGNED_IN) from None

    def __enter__(self) -> Api:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def call(self, method: str, path: str, **request: Any) -> Any:
        """The answer's JSON; None for 204."""
        answer = self.ask(method, path, **request)
        if not answer.content:
            return None
        try:
            return answer.json()
        except ValueError:
            raise ClientError(f"{self.url} answered something that is not Lattice's JSON.") from None

    def ask(self, method: str, path: str, **request: Any) -> httpx2.Response:
        try:
            answer = self._client.request(method, path, **request)
        except httpx2.TransportError as wrong:
            raise self._not_reached(wrong) from None
        self._check(answer)
        return answer

    @contextlib.contextmanager
    def stream(self, path: str, **request: Any) -> Iterator[httpx2.Response]:
        """An answer to be read as it comes. A cut anywhere in it is a ClientError of status NOT_REACHED."""
        try:
            with self._client.stream("GET", path, **request) as answer:
                if answer.status_code != 200:
                    answer.read()
                self._check(answer)
                yield answer
        except httpx2.TransportError as wrong:
            raise self._not_reached(wrong) from None

    def _not_reached(self, wrong: Exception) -> ClientError:
        why = " ".join(str(wrong).split()).rstrip(".") or type(wrong).__name__
        return ClientError(f"{self.url} can't be reached: {why[:200]}.", NOT_REACHED)

    def _check(self, answer: httpx2.Response) -> None:
        if answer.is_success:
            return
        if answer.is_redirect:
            raise ClientError(f"{self.url} sends elsewhere, to {answer.headers.get('location', '')[:200]}.")
        document = _document(answer)
        after = answer.headers.get("retry-after", "")
        raise ClientError(
            _sentence(document, answer.status_code, self.url),
            NOT_SIGNED_IN if answer.status_code == 401 else REFUSED,
            code=str(document.get("error", "")),
            retry_after=float(after) if after.isdecimal() else None,
        )


def _document(answer: httpx2.Response) -> dict[str, Any]:
    try:
        found = json.loads(answer.content)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _sentence(document: dict[str, Any], status: int, url: str) -> str:
    """The problem's sentence; each wrong field with its own where there are several."""
    errors = document.get("errors") or []
    if len(errors) > 1:
        return "\n".join(f"{e['field']}: {e['message']}" if e["field"] else str(e["message"]) for e in errors)
    if document.get("detail"):
        return str(document["detail"])
    return f"{url} answered {status}."


def _is_here(url: str) -> bool:
    """Whether the address is this machine's own, to which no proxy leads."""
    host = urlsplit(url).hostname or ""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False

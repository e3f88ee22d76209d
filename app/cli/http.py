"""uvicorn's HTTP, with bounds on what a client may take of it before its request is one: bytes of a head, and time."""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_LIMIT = 64 << 10  # bytes of the request line and all header fields, or of trailers; what came at once may be more
SILENCE = 30.0  # seconds for a head, and to each next piece of a body
TOO_SLOW = (
    b"HTTP/1.1 408 Request Timeout\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: 34\r\n"
    b"connection: close\r\n\r\nThe request took too long to come."
)


class BoundedHttp(HttpToolsProtocol):
    """Hangs up on a client that sends a head too large (400), or nothing for too long within a request (408)."""

    _unfinished = 0
    _moved_on = False
    _has_begun = False
    _patience: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        self._wait_no_more()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._moved_on = False
        super().data_received(data)
        self._unfinished = 0 if self._moved_on else self._unfinished + len(data)
        if self._unfinished > HEAD_LIMIT and not self.transport.is_closing():
            self.send_400_response(f"The head of the request is larger than {HEAD_LIMIT:,} bytes.")

    def on_message_begin(self) -> None:
        self._moved_on = self._has_begun = True
        self._wait()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._moved_on = True
        self._wait()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._moved_on = True
        self._wait()
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._moved_on = True
        self._wait_no_more()
        super().on_message_complete()

    def _wait(self) -> None:
        self._wait_no_more()
        self._patience = self.loop.call_later(SILENCE, self._hang_up)

    def _wait_no_more(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _hang_up(self) -> None:
        """Without a word where no request has begun, or its answer has."""
        is_answered = self.cycle is not None and self.cycle.response_started
        if self._has_begun and not is_answered and not self.transport.is_closing():
            self.transport.write(TOO_SLOW)
        self.transport.close()

"""uvicorn's HTTP, with bounds on what a client may take of it before its request is one: bytes of a head, and time."""

from __future__ import annotations

import asyncio
from http import HTTPStatus

import orjson
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_LIMIT = 64 << 10  # bytes of the request line and all header fields, or of trailers; what came at once may be more
SILENCE = 30.0  # seconds for a head, and to each next piece of a body


class BoundedHttp(HttpToolsProtocol):
    """Hangs up on a client that sends a head too large (400), or nothing for too long within a request (408).

    `_patience` runs while more is due from the client: from the connection to its first request's end, and from then
    on within each request. Between requests uvicorn's own timer runs.
    """

    _unfinished = 0
    _moved_on = False
    _in_message = False
    _in_body = False
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
        if self.transport.is_closing():
            return
        self._unfinished = 0 if self._moved_on else self._unfinished + len(data)
        if self._unfinished > HEAD_LIMIT:
            self.send_400_response(f"The head of the request is larger than {HEAD_LIMIT:,} bytes.")
        elif self._patience is None and self.timeout_keep_alive_task is None and not self._is_answering:
            self._wait()  # what came belongs to no request, or ended one that was answered before

    @property
    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def on_message_begin(self) -> None:
        self._moved_on, self._in_message, self._in_body = True, True, False
        self._wait()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._moved_on = self._in_body = True
        self._wait()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._moved_on = True
        if self._is_answering:  # else nobody reads it, and no more of it is worth waiting for
            self._wait()
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._moved_on, self._in_message, self._in_body = True, False, False
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
        """Without a word where no request has begun, or this one has its answer."""
        answering = self.cycle if self._is_answering else None
        is_anothers = answering is not None and not (self._in_body and not self.pipeline)
        if self.flow.read_paused or is_anothers or (answering is not None and answering.response_started):
            self._wait()  # the silence is not the client's, or an answer is on its way out
        elif self._in_message and (answering is not None or not self._in_body):
            self._refuse(HTTPStatus.REQUEST_TIMEOUT, "The request took too long to come.")
        else:
            self.transport.close()

    def send_400_response(self, msg: str) -> None:
        self._refuse(HTTPStatus.BAD_REQUEST, msg)

    def _refuse(self, status: HTTPStatus, detail: str) -> None:
        body = orjson.dumps({"type": "about:blank", "title": status.phrase, "status": status.value, "detail": detail})
        head = f"HTTP/1.1 {status.value} {status.phrase}\r\ncontent-type: application/problem+json\r\n"
        self.transport.write(f"{head}content-length: {len(body)}\r\nconnection: close\r\n\r\n".encode() + body)
        self.transport.close()

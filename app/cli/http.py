"""uvicorn's HTTP, with a bound on a request's head: its own keeps whatever a client sends there in memory."""

from __future__ import annotations

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_LIMIT = 64 << 10  # bytes of the request line and all header fields, or of trailers; what came at once may be more


class BoundedHttp(HttpToolsProtocol):
    """Answers 400 and hangs up where so much has come since a request last moved on to its next part."""

    _unfinished = 0
    _moved_on = False

    def data_received(self, data: bytes) -> None:
        self._moved_on = False
        super().data_received(data)
        self._unfinished = 0 if self._moved_on else self._unfinished + len(data)
        if self._unfinished > HEAD_LIMIT and not self.transport.is_closing():
            self.send_400_response(f"The head of the request is larger than {HEAD_LIMIT:,} bytes.")

    def on_message_begin(self) -> None:
        self._moved_on = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._moved_on = True
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._moved_on = True
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._moved_on = True
        super().on_message_complete()

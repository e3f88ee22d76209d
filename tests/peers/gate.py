"""A port in front of a peer's, which can be shut and opened: the peer goes away and comes back, and forgets nothing."""

from __future__ import annotations

import contextlib
import socket
import socketserver
import threading

from tests.peers import free_port


class Gate:
    """Shut, it refuses connections and cuts those under way, as a machine does whose server has ended."""

    def __init__(self, behind: int) -> None:
        self.port = free_port()
        self._behind = behind
        self._server: _Server | None = None

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}"

    def open(self) -> None:
        assert self._server is None, "it is open already"
        self._server = _Server(self.port, self._behind)
        threading.Thread(target=self._server.serve_forever, args=(0.02,), name="gate", daemon=True).start()

    def shut(self) -> None:
        """Shutting it twice changes nothing."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server.cut()
            self._server = None


class _Through(socketserver.BaseRequestHandler):
    server: _Server
    request: socket.socket

    def handle(self) -> None:
        with socket.create_connection(("localhost", self.server.behind)) as there:
            answers = threading.Thread(target=_pass_on, args=(there, self.request), daemon=True)
            answers.start()
            _pass_on(self.request, there)
            answers.join()


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False

    def __init__(self, port: int, behind: int) -> None:
        super().__init__(("127.0.0.1", port), _Through)
        self.behind = behind
        self._under_way: list[socket.socket] = []

    def get_request(self) -> tuple[socket.socket, object]:
        connection, address = super().get_request()
        self._under_way.append(connection)
        return connection, address

    def cut(self) -> None:
        for connection in self._under_way:
            with contextlib.suppress(OSError):  # it has ended
                connection.shutdown(socket.SHUT_RDWR)


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    """What comes from `source`, to `target`, until either ends."""
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)

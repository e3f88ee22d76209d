"""A load of several clients over keep-alive connections, from a process of its own, without a client library."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
from dataclasses import dataclass
from time import perf_counter


@dataclass(frozen=True, slots=True)
class Load:
    """What a load did: requests a second, and every answer's time in milliseconds."""

    per_second: float
    times: list[float]


class Connection:
    """One keep-alive HTTP/1.1 connection on loopback."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._left = b""

    def ask(self, request: bytes) -> tuple[int, bytes]:
        """Send the whole request; the answer's status and body."""
        self._socket.sendall(request)
        while b"\r\n\r\n" not in self._left:
            self._more()
        head, _, rest = self._left.partition(b"\r\n\r\n")
        length = _content_length(head)
        self._left = rest
        while len(self._left) < length:
            self._more()
        body, self._left = self._left[:length], self._left[length:]
        return int(head[9:12]), body

    def _more(self) -> None:
        chunk = self._socket.recv(1 << 16)
        if not chunk:
            raise ConnectionError("the server closed the connection")
        self._left += chunk


def _content_length(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        if line.lower().startswith(b"content-length:"):
            return int(line.split(b":")[1])
    return 0


def request(method: str, path: str, *, port: int, key: str = "", body: bytes = b"") -> bytes:
    lines = [f"{method} {path} HTTP/1.1", f"Host: localhost:{port}", f"Authorization: Bearer {key}"]
    if body:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, "", ""]).encode() + body


def load(port: int, wire: bytes, *, clients: int, each: int, status: int) -> Load:
    """`clients` at once send `wire` `each` times; fails when an answer has another status."""
    work = {"port": port, "wire": wire.decode(), "clients": clients, "each": each, "status": status}
    done = subprocess.run(
        [sys.executable, "-m", "bench.load"], input=json.dumps(work), capture_output=True, text=True, check=True
    )
    found = json.loads(done.stdout)
    return Load(found["per_second"], found["times"])


def _main() -> None:
    work = json.load(sys.stdin)
    times: list[float] = []
    wire = work["wire"].encode()
    ready = threading.Barrier(work["clients"] + 1)

    def client() -> None:
        connection = Connection(work["port"])
        ready.wait()
        for _ in range(work["each"]):
            began = perf_counter()
            status, body = connection.ask(wire)
            times.append((perf_counter() - began) * 1000)
            if status != work["status"]:
                raise SystemExit(f"{status}: {body[:300]!r}")

    threads = [threading.Thread(target=client) for _ in range(work["clients"])]
    for thread in threads:
        thread.start()
    ready.wait()
    began = perf_counter()
    for thread in threads:
        thread.join()
    seconds = perf_counter() - began
    if len(times) != work["clients"] * work["each"]:
        sys.exit("a client failed")
    json.dump({"per_second": len(times) / seconds, "times": times}, sys.stdout)


if __name__ == "__main__":
    _main()

"""The job's output in segment files named by their start offset: a head, and a ring of the newest for the rest.

Offsets never change; past the limit the oldest segments behind the head are removed.
"""

import posix
import time

CELL = 4 << 20  # bytes of one segment, at most
REMEMBERED = 4096  # bytes of the end that are kept at hand


class Log:
    def __init__(self, limit: int) -> None:
        self.head = limit // 2
        self.room = limit - self.head
        self.cell = max(4096, min(CELL, limit // 8))
        self.offset = 0
        self.end = 0  # of the segment that is being written
        self.ring: list[int] = []
        self.fd = -1
        self.pending = b""
        self.last = b""
        self.full_since: float | None = None
        self.given_up = False

    def write(self, data: bytes) -> None:
        self.last = (self.last + data)[-REMEMBERED:] if len(data) < REMEMBERED else data[-REMEMBERED:]
        if not self.given_up:
            self.pending = self.pending + data if self.pending else data
            self.flush()

    def flush(self) -> None:
        """Write what is pending; a full disk leaves the rest pending, and `full_since` says since when."""
        try:
            while self.pending:
                if self.offset >= self.end:
                    self.roll()
                written = posix.write(self.fd, self.pending[: self.end - self.offset])
                self.offset += written
                self.pending = self.pending[written:]
        except OSError:
            self.full_since = self.full_since or time.monotonic()
        else:
            self.full_since = None

    def roll(self) -> None:
        fd = posix.open(f"out/{self.offset:020d}", posix.O_WRONLY | posix.O_CREAT | posix.O_CLOEXEC, 0o600)
        if self.fd >= 0:
            posix.close(self.fd)
        self.fd, self.end = fd, self.offset + self.cell
        if self.offset < self.head:
            self.end = min(self.end, self.head)
            return
        self.ring.append(self.offset)
        while len(self.ring) > 1 and self.end - self.ring[0] > self.room:
            posix.unlink(f"out/{self.ring.pop(0):020d}")

    def give_up(self) -> None:
        self.given_up, self.pending, self.full_since = True, b"", None

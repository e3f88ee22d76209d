"""A stream of bytes encrypted with a passphrase, in chunks, so that a damaged, swapped or missing chunk is noticed.

The format, version 1: the line `lattice-backup 1`, then a line of JSON with the parameters of scrypt (RFC 7914), a
salt, a check of the passphrase and the chunk size, then chunks. A chunk is ChaCha20-Poly1305 (RFC 8439) over `chunk`
bytes, the last one over as many as are left. Its nonce is 7 zero bytes, the chunk's number in 4 bytes, big-endian, and
1 for the last chunk, else 0 (the STREAM construction of Hoang, Reyhanitabar, Rogaway and Vizár); its associated data
is the two lines. Each file has a salt and so a key of its own, so a nonce is never used twice under a key.
"""

from __future__ import annotations

import errno
import hmac
import json
import os
import secrets
import unicodedata
from dataclasses import asdict, dataclass
from io import BufferedIOBase
from typing import IO, TYPE_CHECKING

from app.backup.errors import BackupError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

MAGIC = b"lattice-backup 1\n"
TAG = 16
CHUNK = 1 << 20
COST = 1 << 17  # scrypt's n: 128 MiB and a third of a second for each passphrase that somebody tries
MOST_COST, MOST_CHUNK, MOST_HEADER = 1 << 20, 1 << 26, 4096


@dataclass(frozen=True, slots=True)
class _Parameters:
    n: int
    r: int
    p: int
    salt: str
    chunk: int
    check: str = ""


class SealedWriter(BufferedIOBase):
    """Write-only; the file is whole only after `close`. Raises OSError where not all of it can be written."""

    def __init__(self, raw: IO[bytes], passphrase: str, *, cost: int = COST) -> None:
        parameters = _Parameters(cost, 8, 1, secrets.token_hex(16), CHUNK)
        key, check = _derive(passphrase, parameters)
        parameters = _Parameters(cost, 8, 1, parameters.salt, CHUNK, check)
        self._raw = raw
        self._header = MAGIC + json.dumps(asdict(parameters)).encode() + b"\n"
        self._cipher = _cipher(key)
        self._waiting = bytearray()
        self._number = 0
        self._put(self._header)

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        view = memoryview(data)  # type: ignore[arg-type]
        self._waiting += view
        while len(self._waiting) > CHUNK:  # never the last chunk, which is known at close
            self._seal(bytes(self._waiting[:CHUNK]), last=False)
            del self._waiting[:CHUNK]
        return view.nbytes

    def close(self) -> None:
        if not self.closed:
            try:
                self._seal(bytes(self._waiting), last=True)
            finally:
                super().close()

    def _seal(self, chunk: bytes, *, last: bool) -> None:
        self._put(self._cipher.encrypt(_nonce(self._number, last), chunk, self._header))
        self._number += 1

    def _put(self, data: bytes) -> None:
        """Write all of it: on a disk that is nearly full, an unbuffered file takes a part and says so by a number."""
        left = memoryview(data)
        while left:
            taken = self._raw.write(left)
            if not taken:
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            left = left[taken:]


class SealedReader(BufferedIOBase):
    """Read-only. Raises BackupError for a wrong passphrase at once, for damage where it is met."""

    def __init__(self, raw: IO[bytes], passphrase: str) -> None:
        if raw.readline(len(MAGIC)) != MAGIC:
            raise BackupError("This is not a backup of Lattice, or one of a newer version.")
        line = raw.readline(MOST_HEADER)
        parameters = _parsed(line)
        key, check = _derive(passphrase, parameters)
        if not hmac.compare_digest(check, parameters.check):
            raise BackupError("The passphrase does not open this backup.")
        self._raw = raw
        self._header = MAGIC + line
        self._cipher = _cipher(key)
        self._sealed_size = parameters.chunk + TAG
        self._ahead = raw.read(self._sealed_size)
        self._plain = b""
        self._number = 0
        self._ended = False

    def readable(self) -> bool:
        return True

    def read(self, size: int | None = -1) -> bytes:
        wanted = -1 if size is None else size
        pieces: list[bytes] = []
        while wanted != 0 and (self._plain or self._open_next()):
            piece = self._plain if wanted < 0 else self._plain[:wanted]
            self._plain = self._plain[len(piece) :]
            wanted -= len(piece) if wanted > 0 else 0
            pieces.append(piece)
        return b"".join(pieces)

    def _open_next(self) -> bool:
        from cryptography.exceptions import InvalidTag

        while not self._ended:
            sealed, self._ahead = self._ahead, self._raw.read(self._sealed_size)
            self._ended = not self._ahead
            try:
                self._plain = self._cipher.decrypt(_nonce(self._number, self._ended), sealed, self._header)
            except (InvalidTag, ValueError):
                raise BackupError("The backup is damaged or cut off; nothing of it was used.") from None
            self._number += 1
            if self._plain:
                return True
        return False


def _parsed(line: bytes) -> _Parameters:
    try:
        found = _Parameters(**json.loads(line))
        n, r, p, chunk = found.n, found.r, found.p, found.chunk
        sound = 1 < n <= MOST_COST and (r, p) == (8, 1) and 0 < chunk <= MOST_CHUNK and bytes.fromhex(found.salt)
    except (TypeError, ValueError):
        sound = False
    if not sound:
        raise BackupError("The backup is damaged at its beginning.")
    return found


def _derive(passphrase: str, parameters: _Parameters) -> tuple[bytes, str]:
    """The file's key, and what tells a wrong passphrase from a damaged file."""
    from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

    salt = bytes.fromhex(parameters.salt)
    secret = unicodedata.normalize("NFC", passphrase).encode()
    both = Scrypt(salt=salt, length=48, n=parameters.n, r=parameters.r, p=parameters.p).derive(secret)
    return both[:32], both[32:].hex()


def _cipher(key: bytes) -> ChaCha20Poly1305:
    from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

    return ChaCha20Poly1305(key)


def _nonce(number: int, last: bool) -> bytes:
    return bytes(7) + number.to_bytes(4, "big") + bytes([last])

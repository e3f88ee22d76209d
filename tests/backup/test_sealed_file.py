"""The encrypted stream: what goes in comes out, and whatever is not exactly that is noticed."""

from __future__ import annotations

import io
from typing import Any

import pytest

from app.backup.errors import BackupError
from app.backup.sealed_file import CHUNK, TAG, SealedReader, SealedWriter

CHEAP = 1 << 4


def sealed(data: bytes, passphrase: str = "right") -> bytes:
    raw = io.BytesIO()
    with SealedWriter(raw, passphrase, cost=CHEAP) as writer:
        for start in range(0, len(data), 700_001):
            writer.write(data[start : start + 700_001])
    return raw.getvalue()


def opened(file: bytes, passphrase: str = "right") -> bytes:
    with SealedReader(io.BytesIO(file), passphrase) as reader:
        return b"".join(iter(lambda: reader.read(300_001), b""))


def head_of(file: bytes) -> int:
    return file.index(b"\n", file.index(b"\n") + 1) + 1


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK])
def test_what_went_in_comes_out(size: int) -> None:
    data = (b"0123456789abcde" * (size // 15 + 1))[:size]
    assert opened(sealed(data)) == data


class Reluctant(io.BytesIO):
    """A file that takes a part of what it is given, as one without a buffer may, up to its size."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size

    def write(self, data: Any) -> int:
        return super().write(memoryview(data)[: min(70_001, self.size - self.tell())])


def test_what_is_taken_in_parts_is_whole_in_the_end() -> None:
    raw = Reluctant(10 * CHUNK)
    with SealedWriter(raw, "right", cost=CHEAP) as writer:
        writer.write(bytes(2 * CHUNK + 5))
    assert opened(raw.getvalue()) == bytes(2 * CHUNK + 5)


@pytest.mark.parametrize("room", [5, CHUNK // 2, CHUNK + CHUNK // 2])
def test_a_file_that_takes_no_more_is_an_error(room: int) -> None:
    with pytest.raises(OSError, match="error"), SealedWriter(Reluctant(room), "right", cost=CHEAP) as writer:
        writer.write(bytes(CHUNK + CHUNK // 2))


def test_one_file_never_equals_another() -> None:
    assert sealed(b"same") != sealed(b"same")


def test_a_wrong_passphrase_is_one_sentence() -> None:
    with pytest.raises(BackupError, match=r"^The passphrase does not open this backup\.$"):
        opened(sealed(b"data"), "wrong")


def test_one_passphrase_in_two_unicode_forms_is_the_same() -> None:
    assert opened(sealed(b"data", "u\u0308ber"), "\u00fcber") == b"data"


@pytest.mark.parametrize("kept", [1, 2])
def test_a_file_cut_between_chunks_is_noticed(kept: int) -> None:
    file = sealed(bytes(3 * CHUNK))
    with pytest.raises(BackupError, match="damaged or cut off"):
        opened(file[: head_of(file) + kept * (CHUNK + TAG)])


def test_a_file_cut_in_a_chunk_is_noticed() -> None:
    file = sealed(bytes(CHUNK + 5))
    for end in (head_of(file), head_of(file) + 3, len(file) - 1):
        with pytest.raises(BackupError, match="damaged or cut off"):
            opened(file[:end])


def test_swapped_chunks_are_noticed() -> None:
    file, size = sealed(bytes(CHUNK) + b"1" * CHUNK + b"end"), CHUNK + TAG
    at = head_of(file)
    swapped = file[:at] + file[at + size : at + 2 * size] + file[at : at + size] + file[at + 2 * size :]
    with pytest.raises(BackupError, match="damaged"):
        opened(swapped)


def test_a_flipped_bit_is_noticed_and_so_is_a_longer_file() -> None:
    file = bytearray(sealed(b"data"))
    file[-1] ^= 1
    for wrong in (bytes(file), sealed(b"data") + b"x"):
        with pytest.raises(BackupError, match="damaged"):
            opened(wrong)


def test_a_changed_header_is_noticed() -> None:
    for old, new in ((b'"n": 16', b'"n": 32'), (b'"chunk": 1048576', b'"chunk": 1048577'), (b'"r": 8', b'"r": 9')):
        with pytest.raises(BackupError):
            opened(sealed(bytes(2 * CHUNK)).replace(old, new))


@pytest.mark.parametrize(
    "file", [b"", b"SQLite format 3\0", b"lattice-backup 2\n{}\n", b"lattice-backup 1\n{}\n", b"lattice-backup 1\n[1\n",
             b'lattice-backup 1\n{"n": 1099511627776, "r": 8, "p": 1, "salt": "00", "chunk": 1, "check": ""}\n']
)  # fmt: skip
def test_what_is_no_backup_is_one_sentence(file: bytes) -> None:
    with pytest.raises(BackupError, match=r"^(This is not a backup|The backup is damaged at its beginning)"):
        opened(file)

"""Where bytes live: a small synchronous face over obstore, for a folder today and S3, GCS or Azure by URL.

It is called from threads, knows no noun, and never interprets what it stores. obstore is imported when first used.
"""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from app.settings import SettingsError

if TYPE_CHECKING:
    from obstore import UpdateVersion

KEY = re.compile(r"(?!.*(?:^|/)\.{1,2}(?:/|$))[\w.-]+(?:/[\w.-]+)*", re.ASCII)
IDENTITY_KEY = "store-id"


class StoreError(Exception):
    """The store could not do what was asked; the message is one sentence."""


class NoSuchObject(StoreError):
    """Nothing is stored under the key."""


@dataclass(frozen=True, slots=True)
class Stored:
    """One object: its key and its size in bytes."""

    key: str
    size: int


class ObjectStore:
    """Objects by key: path segments of letters, digits, `.`, `_` and `-`. Prefixes are whole segments.

    Methods raise StoreError, and ValueError for a key that is none.
    """

    def __init__(self, backend: Any, name: str) -> None:
        self._backend = backend
        self.name = name

    def put(self, key: str, data: bytes) -> None:
        """Store the object whole, in place of what was there."""
        with self._sentence(key):
            _obstore().put(self._backend, _checked(key), data)

    def create(self, key: str, data: bytes) -> bool:
        """Store the object unless one is there; says whether it did."""
        import obstore
        from obstore.exceptions import AlreadyExistsError, PreconditionError

        with self._sentence(key):
            try:
                obstore.put(self._backend, _checked(key), data, mode="create")
            except (AlreadyExistsError, PreconditionError):
                return False
        return True

    def extend(self, key: str, at: int, data: bytes) -> None:
        """Put `data` at offset `at` of the object and leave its other bytes as they are.

        Repeating it changes nothing, and an object never becomes shorter, so that a slow second writer of the same
        bytes does no harm. A hole before `at` reads as zeros.
        """
        while not self._try_extend(_checked(key), at, data):
            pass

    def _try_extend(self, key: str, at: int, data: bytes) -> bool:
        import obstore
        from obstore.exceptions import AlreadyExistsError, PreconditionError

        with self._sentence(key):
            old, version = self._whole(key)
            new = old[:at].ljust(at, b"\0") + data + old[at + len(data) :]
            try:
                obstore.put(self._backend, key, new, mode=version or "create")
            except (AlreadyExistsError, PreconditionError):
                return False  # somebody wrote in between: read again
        return True

    def _whole(self, key: str) -> tuple[bytes, UpdateVersion | None]:
        try:
            got = _obstore().get(self._backend, key)
        except FileNotFoundError:
            return b"", None
        version = {name: value for name in ("e_tag", "version") if (value := got.meta[name]) is not None}
        return bytes(got.bytes()), cast("UpdateVersion", version)

    def get_range(self, key: str, start: int, length: int) -> bytes:
        """At most `length` bytes from `start` on; fewer, or none, where the object ends. Raises NoSuchObject."""
        if length <= 0:
            return b""
        with self._sentence(key):
            try:
                return bytes(_obstore().get_range(self._backend, _checked(key), start=start, length=length))
            except FileNotFoundError:
                raise
            except Exception:
                if self.size(key) <= start:
                    return b""
                raise

    def size(self, key: str) -> int:
        """The object's size in bytes. Raises NoSuchObject."""
        with self._sentence(key):
            return int(_obstore().head(self._backend, _checked(key))["size"])

    def exists(self, key: str) -> bool:
        try:
            self.size(key)
        except NoSuchObject:
            return False
        return True

    def list(self, prefix: str = "") -> Iterator[Stored]:
        """Every object under the prefix, in no particular order."""
        with self._sentence(prefix):
            for batch in _obstore().list(self._backend, _checked(prefix) if prefix else None, chunk_size=1000):
                for meta in batch:
                    yield Stored(meta["path"], int(meta["size"]))

    def delete(self, prefix: str) -> int:
        """Remove the object of that key and all under it; says how many there were."""
        _checked(prefix)
        keys = [stored.key for stored in self.list(prefix)]
        keys += [prefix] if prefix not in keys and self.exists(prefix) else []
        for key in keys:
            self._delete_one(key)
        return len(keys)

    def _delete_one(self, key: str) -> None:
        with self._sentence(key):
            try:
                _obstore().delete(self._backend, key)
            except FileNotFoundError:
                return  # somebody else was quicker

    @contextmanager
    def _sentence(self, key: str) -> Iterator[None]:
        """Turn what obstore and the system raise into a StoreError."""
        from obstore.exceptions import BaseError

        try:
            yield
        except FileNotFoundError:
            raise NoSuchObject(f"{self.name} holds no {key}.") from None
        except (BaseError, OSError) as wrong:
            raise StoreError(f"{self.name} failed at {key or 'its top'}: {str(wrong).splitlines()[0]}.") from wrong


class FolderStore(ObjectStore):
    """Objects as files in a folder. A growing object is extended in place, not written anew."""

    def __init__(self, root: Path) -> None:
        from obstore.store import LocalStore

        try:
            root.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as wrong:
            raise StoreError(f"The store {root} (LATTICE_STORE) can't be used: {wrong.strerror}.") from None
        self.root = root.resolve()
        super().__init__(LocalStore(self.root, automatic_cleanup=True), f"The store {root}")

    def _try_extend(self, key: str, at: int, data: bytes) -> bool:
        path = self.root / key
        with self._sentence(key):
            try:
                descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
            except FileNotFoundError:  # the folder is new, or was just removed because it was empty
                path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                return False
            try:
                _write_all(descriptor, at, data)
            finally:
                os.close(descriptor)
        return True


def open_store(place: str | Path) -> ObjectStore:
    """The store at a folder, or at a URL that obstore knows (`s3://bucket/prefix`, `gs://…`, `az://…`, `memory:///`).

    Raises SettingsError for another: LATTICE_STORE has named it.
    """
    if isinstance(place, Path) or "://" not in place:
        return FolderStore(Path(place))
    from obstore.store import from_url

    try:
        return ObjectStore(from_url(place), f"The store {place.split('?')[0]}")
    except Exception as wrong:
        why = str(wrong).splitlines()[0].rstrip(".")
        raise SettingsError(f"LATTICE_STORE is {place.split('?')[0]!r}, but that is no store: {why}.") from wrong


def store_identity(store: ObjectStore) -> str:
    """The store's own name, made once; replicas that see two different ones do not share a store."""
    if not store.exists(IDENTITY_KEY):
        store.create(IDENTITY_KEY, secrets.token_hex(16).encode())
    return store.get_range(IDENTITY_KEY, 0, 64).decode()


def _obstore() -> Any:
    import obstore

    return obstore


def _checked(key: str) -> str:
    if not KEY.fullmatch(key):
        raise ValueError(f"not a key of the store: {key!r}")
    return key


def _write_all(descriptor: int, at: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        written = os.pwrite(descriptor, view, at)
        at, view = at + written, view[written:]

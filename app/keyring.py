"""Key material: what encrypts secrets at rest, and what signs cookies. Neither does the other's work or is ever logged.

Every ciphertext is kept beside the fingerprint of its key. To rotate, put a new key before the others, restart,
run `lattice server rewrap`, and take the old one away.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from app.settings import Settings, SettingsError

if TYPE_CHECKING:
    from app.datadir import DataDir
    from app.db import Database

SECRET_KEYS = "secret-keys"  # noqa: S105  the name of a file
COOKIE_PASSWORDS = "cookie-passwords"


class KeyringError(Exception):
    """A secret can't be read with the keys there are; the message is one sentence."""


@dataclass(frozen=True, slots=True)
class Sealed:
    """A secret as it is stored: its ciphertext, and the fingerprint of the key that opens it."""

    ciphertext: str = field(repr=False)
    fingerprint: str


@dataclass(frozen=True, slots=True)
class SealedColumn:
    """Where a table keeps ciphertexts, and beside them their keys' fingerprints."""

    table: str
    ciphertext: str = "ciphertext"
    fingerprint: str = "fingerprint"


SEALED: list[SealedColumn] = []
"""Every such column. A noun appends its own beside the model, and so `rewrap` and the check at start know it."""


class Keyring:
    """Encrypts with the newest key and decrypts with any."""

    def __init__(self, keys: Sequence[str]) -> None:
        self._keys = {fingerprint_of(key): key for key in keys}
        self.newest = fingerprint_of(keys[0])

    @classmethod
    def load(cls, settings: Settings, datadir: DataDir) -> Self:
        """From LATTICE_SECRET_KEYS, else from the data folder, where one is made. Raises SettingsError."""
        if settings.lattice_secret_keys:
            return cls([_checked(key, "LATTICE_SECRET_KEYS") for key in settings.lattice_secret_keys])
        if not settings.database.startswith("sqlite"):
            raise SettingsError(
                "LATTICE_SECRET_KEYS is empty, but with PostgreSQL every server needs the same keys; "
                f"set it, for example to {new_key()}."
            )
        kept = datadir.keep(SECRET_KEYS, new_key).split()
        return cls([_checked(key, str(datadir.path / SECRET_KEYS)) for key in kept or [""]])

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys themselves, newest first; for the backup alone."""
        return tuple(self._keys.values())

    @property
    def fingerprints(self) -> tuple[str, ...]:
        return tuple(self._keys)

    def encrypt(self, secret: str) -> Sealed:
        return Sealed(self._fernet(self.newest).encrypt(secret.encode()).decode(), self.newest)

    def decrypt(self, sealed: Sealed) -> str:
        """The secret. Raises KeyringError where its key is missing or the ciphertext is not what was stored."""
        from cryptography.fernet import InvalidToken

        if sealed.fingerprint not in self._keys:
            raise KeyringError(_no_key(sealed.fingerprint))
        try:
            return self._fernet(sealed.fingerprint).decrypt(sealed.ciphertext.encode()).decode()
        except InvalidToken:
            raise KeyringError(f"A secret that key {sealed.fingerprint} should open is damaged.") from None

    def check(self, db: Database) -> None:
        """Raise SettingsError where a stored secret's key is missing."""
        from app.rewrap import stored_fingerprints

        for fingerprint in sorted(stored_fingerprints(db) - set(self._keys)):
            raise SettingsError(_no_key(fingerprint))

    def _fernet(self, fingerprint: str) -> Fernet:
        from cryptography.fernet import Fernet

        return Fernet(self._keys[fingerprint])


def cookie_passwords(settings: Settings, datadir: DataDir) -> tuple[str, ...]:
    """From AUTH_COOKIE_PASSWORD, else from the data folder, where one is made; newest first.

    Several servers on one database need the same, and so the setting: each makes its own otherwise.
    """
    if settings.auth_cookie_password:
        return settings.auth_cookie_password
    kept = tuple(datadir.keep(COOKIE_PASSWORDS, lambda: secrets.token_urlsafe(32)).split())
    if not kept or any(len(password) < 32 for password in kept):
        raise SettingsError(f"{datadir.path / COOKIE_PASSWORDS} is damaged; remove it, and everybody signs in again.")
    return kept


def fingerprint_of(key: str) -> str:
    """The first 16 hexadecimal digits of the key's SHA-256."""
    return hashlib.sha256(key.encode()).hexdigest()[:16]


def new_key() -> str:
    """A Fernet key: 32 random bytes in URL-safe base 64."""
    return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()


def _checked(key: str, where: str) -> str:
    try:
        whole = len(base64.b64decode(key.encode("ascii"), altchars=b"-_", validate=True)) == 32
    except (binascii.Error, UnicodeEncodeError):
        whole = False
    if not whole:
        raise SettingsError(f"{where} is wrong: expected Fernet keys, each 32 bytes in URL-safe base 64.")
    return key


def _no_key(fingerprint: str) -> str:
    return (
        f"LATTICE_SECRET_KEYS has no key with the fingerprint {fingerprint}, which stored secrets need; "
        "put that key back after the newer ones."
    )


if TYPE_CHECKING:
    from cryptography.fernet import Fernet

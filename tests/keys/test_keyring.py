"""Keys at rest: made once and private, rotated by rewrap, and missed by name."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text

from app.datadir import DataDir
from app.db import Database
from app.jobs.models import SECRET, JobSecret
from app.keyring import Keyring, KeyringError, Sealed, cookie_passwords, fingerprint_of, new_key
from app.rewrap import BATCH, rewrap, stored_fingerprints
from app.settings import Settings, SettingsError

OLD, NEW = new_key(), new_key()


@pytest.fixture
def folder(tmp_path: Path) -> DataDir:
    return DataDir.at(tmp_path / "data")


def with_settings(**values: Any) -> Settings:
    return Settings(_env_file=None, **values)


def test_a_secret_opens_again_and_says_which_key() -> None:
    ring = Keyring([NEW, OLD])
    sealed = ring.encrypt("pässword")
    assert ring.decrypt(sealed) == "pässword"
    assert sealed.fingerprint == fingerprint_of(NEW) == ring.newest and len(sealed.fingerprint) == 16
    assert "pässword" not in repr(sealed) and sealed.ciphertext not in repr(sealed)


def test_an_older_key_still_opens() -> None:
    sealed = Keyring([OLD]).encrypt("x")
    ring = Keyring([NEW, OLD])
    assert ring.decrypt(sealed) == "x" and sealed.fingerprint != ring.newest


def test_a_missing_key_and_a_damaged_secret_are_told_apart() -> None:
    sealed = Keyring([OLD]).encrypt("x")
    with pytest.raises(KeyringError, match=f"no key with the fingerprint {fingerprint_of(OLD)}"):
        Keyring([NEW]).decrypt(sealed)
    with pytest.raises(KeyringError, match="damaged"):
        Keyring([OLD]).decrypt(Sealed(sealed.ciphertext[:-4], sealed.fingerprint))


def test_without_the_setting_keys_are_made_once_and_private(folder: DataDir) -> None:
    first = Keyring.load(with_settings(), folder)
    assert Keyring.load(with_settings(), folder).fingerprints == first.fingerprints
    passwords = cookie_passwords(with_settings(), folder)
    assert cookie_passwords(with_settings(), folder) == passwords and len(passwords[0]) >= 32
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in folder.path.iterdir()}
    assert modes == {"secret-keys": 0o600, "cookie-passwords": 0o600}


def test_the_settings_come_first(folder: DataDir) -> None:
    explicit = with_settings(lattice_secret_keys=(NEW, OLD), auth_cookie_password=("p" * 32,))
    assert Keyring.load(explicit, folder).keys == (NEW, OLD)
    assert cookie_passwords(explicit, folder) == ("p" * 32,)
    assert not list(folder.path.iterdir())


def test_postgres_wants_its_keys_explicit(folder: DataDir) -> None:
    with pytest.raises(SettingsError, match="LATTICE_SECRET_KEYS is empty"):
        Keyring.load(with_settings(database_url="postgresql://h/d"), folder)


@pytest.mark.parametrize("key", ["short", "é" * 44, "a" * 44, "!" * 44])
def test_what_is_no_key_is_named_but_not_shown(folder: DataDir, key: str) -> None:
    with pytest.raises(SettingsError, match="LATTICE_SECRET_KEYS is wrong") as caught:
        Keyring.load(with_settings(lattice_secret_keys=(key,)), folder)
    assert key not in str(caught.value)


@pytest.mark.parametrize("name", ["secret-keys", "cookie-passwords"])
def test_a_damaged_file_is_named(folder: DataDir, name: str) -> None:
    (folder.path / name).write_text("")
    load: Any = Keyring.load if name == "secret-keys" else cookie_passwords
    with pytest.raises(SettingsError, match=name):
        load(with_settings(), folder)


def store(db: Database, ring: Keyring, count: int) -> None:
    """Secrets of jobs that there are none of: keys are at stake here, not jobs."""
    engine = create_engine(db.url)
    with engine.begin() as connection:
        if not db.is_sqlite:
            connection.execute(text("SET LOCAL session_replication_role = replica"))
        for number in range(count):
            sealed = ring.encrypt(f"secret {number}")
            row = {"job_id": f"job_{number % 7}", "name": f"N{number}", "organization_id": "org_1"}
            sealed_row = {"ciphertext": sealed.ciphertext, "fingerprint": sealed.fingerprint}
            connection.execute(SECRET.insert().values(row | sealed_row))
    engine.dispose()


@pytest.fixture
def db(database_url: str) -> Any:
    made = Database(database_url, pool_size=2)
    yield made
    made.close()


@pytest.mark.database
def test_rewrap_encrypts_everything_with_the_newest_key(db: Database) -> None:
    store(db, Keyring([OLD]), BATCH + 5)
    ring = Keyring([NEW, OLD])
    assert (rewrap(db, ring), rewrap(db, ring)) == (BATCH + 5, 0)
    assert stored_fingerprints(db) == {fingerprint_of(NEW)}
    with db.read() as session:
        secret = session.get(JobSecret, ("job_3", "N10"))
    assert secret and Keyring([NEW]).decrypt(Sealed(secret.ciphertext, secret.fingerprint)) == "secret 10"


@pytest.mark.database
def test_a_start_without_a_needed_key_is_refused(db: Database) -> None:
    store(db, Keyring([OLD]), 1)
    Keyring([NEW, OLD]).check(db)
    with pytest.raises(SettingsError, match=fingerprint_of(OLD)):
        Keyring([NEW]).check(db)
    with pytest.raises(KeyringError, match=fingerprint_of(OLD)):
        rewrap(db, Keyring([NEW]))

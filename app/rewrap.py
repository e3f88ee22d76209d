"""Stored secrets under the newest key: which keys they need, and encrypting them again, batch by batch.

It runs beside a serving server: a secret that changes meanwhile keeps its change.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Table, and_, select, tuple_, update
from sqlmodel import Session, SQLModel

from app import models
from app.db import Database
from app.keyring import SEALED, Keyring, Sealed, SealedColumn

BATCH = 200

_ALL_MODELS = models  # whose import fills SEALED


def stored_fingerprints(db: Database) -> set[str]:
    """The fingerprints of all keys that stored secrets need."""
    with db.read() as session:
        return {
            str(fingerprint)
            for column in SEALED
            for (fingerprint,) in session.connection().execute(select(_table(column).c[column.fingerprint]).distinct())
        }


def rewrap(db: Database, keyring: Keyring) -> int:
    """Encrypt with the newest key what older ones hold; how many secrets. Raises KeyringError for a missing key."""
    return sum(_rewrap_column(db, keyring, column) for column in SEALED)


def _rewrap_column(db: Database, keyring: Keyring, column: SealedColumn) -> int:
    changed, after = 0, None
    while True:
        with db.write() as session:
            batch = _older(session, keyring, column, after)
            for row in batch:
                changed += _seal_again(session, keyring, column, row)
        if len(batch) < BATCH:
            return changed
        after = batch[-1][2:]


def _older(session: Session, keyring: Keyring, column: SealedColumn, after: tuple[Any, ...] | None) -> list[Any]:
    """The next rows under older keys: ciphertext, fingerprint, and the primary key, by which they are ordered."""
    table = _table(column)
    key = list(table.primary_key.columns)
    statement = select(table.c[column.ciphertext], table.c[column.fingerprint], *key).order_by(*key).limit(BATCH)
    statement = statement.where(table.c[column.fingerprint] != keyring.newest)
    if after is not None:
        statement = statement.where(tuple_(*key) > tuple_(*after))
    return [tuple(row) for row in session.connection().execute(statement)]


def _seal_again(session: Session, keyring: Keyring, column: SealedColumn, row: tuple[Any, ...]) -> int:
    ciphertext, fingerprint, *key = row
    table = _table(column)
    sealed = keyring.encrypt(keyring.decrypt(Sealed(ciphertext, fingerprint)))
    same: ColumnElement[bool] = and_(
        *(c == value for c, value in zip(table.primary_key.columns, key, strict=True)),
        table.c[column.ciphertext] == ciphertext,
    )
    values = {column.ciphertext: sealed.ciphertext, column.fingerprint: sealed.fingerprint}
    return session.connection().execute(update(table).where(same).values(values)).rowcount


def _table(column: SealedColumn) -> Table:
    return SQLModel.metadata.tables[column.table]

"""What all servers of one database have to agree on: who opens it first, and that they share one store.

A server whose store is another one would show logs that it does not have; it is refused at start.
"""

from __future__ import annotations

from sqlmodel import Field, Session, SQLModel

from app.db import take_turn
from app.settings import SettingsError
from app.stores.objects import ObjectStore, store_identity

OPENING = 7_252_811_906  # the advisory lock's number, ours alone


class DeploymentFact(SQLModel, table=True):
    """One thing that holds for every server of this database."""

    __tablename__ = "deployment_fact"

    name: str = Field(primary_key=True, max_length=40)
    value: str = Field(max_length=200)


def open_in_turn(db: Session) -> None:
    """Wait until no other server is in such a transaction, so that what a first start makes is made once."""
    take_turn(db, OPENING)


def require_shared_store(db: Session, store: ObjectStore) -> None:
    """Remember the store at the first start; raise SettingsError for a server that has another one."""
    identity = store_identity(store)
    known = db.get(DeploymentFact, "store", with_for_update=True)
    if known is None:
        db.add(DeploymentFact(name="store", value=identity))
    elif known.value != identity:
        raise SettingsError(
            f"{store.name} (LATTICE_STORE) is not the one that holds this database's logs; "
            "give every server of the database the same folder or address."
        )

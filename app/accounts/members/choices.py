"""Members by name, for filters of lists: one lean statement a page, however many belong to the organization."""

from __future__ import annotations

from collections import Counter

from sqlalchemy import Table, bindparam, select
from sqlmodel import Session

from app.accounts.models import Membership, User
from app.web.ask import Principal

MOST = 100
USER: Table = User.metadata.tables["user_account"]
MEMBERSHIP: Table = Membership.metadata.tables["membership"]

_HERE = select(MEMBERSHIP.c.user_id).where(MEMBERSHIP.c.organization_id == bindparam("organization"))
_FIRST = _HERE.order_by(MEMBERSHIP.c.user_id).limit(MOST).subquery()
_CHOSEN = _HERE.where(MEMBERSHIP.c.user_id == bindparam("chosen"))
_NAMED = select(USER.c.id, USER.c.name, USER.c.email).where(USER.c.id.in_(select(_FIRST).union_all(_CHOSEN)))


def colleagues(db: Session, me: Principal, chosen: str | None) -> list[tuple[str, str]]:
    """Ids and names, by name, of others in the organization: MOST of them, and the chosen one.

    Those of the same name are told apart by their addresses.
    """
    named = db.connection().execute(_NAMED, {"organization": me.organization_id, "chosen": chosen or ""}).all()
    shown = {row.id: row.name or row.email or "Administrator" for row in named}
    times = Counter(shown.values())
    for row in named:
        if row.email and row.name and times[row.name] > 1:
            shown[row.id] = f"{row.name} ({row.email})"
    shown.pop(me.user_id, None)
    return sorted(shown.items(), key=lambda one: (one[1].casefold(), one[0]))

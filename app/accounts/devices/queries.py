"""Named queries over device sign-ins. None takes an organization: until it is approved, a sign-in belongs to none."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import func, update
from sqlmodel import Session, col, select

from app.accounts.devices.models import DeviceSignIn, DeviceState


def waiting(db: Session, user_code: str, now: datetime) -> DeviceSignIn | None:
    """The sign-in that waits under this code; on Postgres held until the transaction's end, so that one decides."""
    return db.exec(
        select(DeviceSignIn)
        .where(
            DeviceSignIn.user_code == user_code,
            DeviceSignIn.state == DeviceState.PENDING,
            DeviceSignIn.expires_at > now,
        )
        .with_for_update()
    ).first()


def by_digest(db: Session, digest: str) -> DeviceSignIn | None:
    """Held until the transaction's end, so that a code is spent once."""
    return db.exec(select(DeviceSignIn).where(DeviceSignIn.digest == digest).with_for_update()).first()


def count_waiting(db: Session, now: datetime) -> int:
    return db.exec(select(func.count()).select_from(DeviceSignIn).where(col(DeviceSignIn.expires_at) > now)).one()


def is_taken(db: Session, user_code: str) -> bool:
    return db.exec(select(DeviceSignIn.id).where(DeviceSignIn.user_code == user_code)).first() is not None


def forget_approvals(db: Session, user_id: str) -> None:
    """Deny what the person approved and no terminal has fetched the key of yet."""
    approved = (col(DeviceSignIn.user_id) == user_id) & (col(DeviceSignIn.state) == DeviceState.APPROVED)
    db.connection().execute(update(DeviceSignIn).where(approved).values(state=DeviceState.DENIED))

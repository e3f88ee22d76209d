"""events of a key

Revision ID: a23286a57a6c
Revises: 0001
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "a23286a57a6c"
down_revision: str | None = "0001"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    with op.batch_alter_table("event", schema=None) as batch_op:
        batch_op.create_index(
            "ix_event_key",
            ["organization_id", "key_id", "seq"],
            unique=False,
            sqlite_where=sa.text("key_id IS NOT NULL"),
            postgresql_where=sa.text("key_id IS NOT NULL"),
        )


def downgrade() -> None:
    with op.batch_alter_table("event", schema=None) as batch_op:
        batch_op.drop_index(
            "ix_event_key", sqlite_where=sa.text("key_id IS NOT NULL"), postgresql_where=sa.text("key_id IS NOT NULL")
        )

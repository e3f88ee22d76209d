"""where a session was last used

Revision ID: dc36ef7350cc
Revises: 227bd5e71c77
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "dc36ef7350cc"
down_revision: str | None = "227bd5e71c77"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    with op.batch_alter_table("sign_in_session", schema=None) as batch_op:
        batch_op.add_column(sa.Column("last_seen_ip", sa.String(length=45), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("sign_in_session", schema=None) as batch_op:
        batch_op.drop_column("last_seen_ip")

"""admins who are stepping down

Revision ID: 227bd5e71c77
Revises: a23286a57a6c
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "227bd5e71c77"
down_revision: str | None = "a23286a57a6c"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    with op.batch_alter_table("membership", schema=None) as batch_op:
        batch_op.add_column(sa.Column("stepping_down_until", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("membership", schema=None) as batch_op:
        batch_op.drop_column("stepping_down_until")

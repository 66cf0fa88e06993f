"""Versions of the rules."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "rules",
        sa.Column("content_hash", sa.Text, primary_key=True),
        sa.Column("yaml", sa.Text, nullable=False),
        sa.Column("kept_time", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        schema="conditioning",
    )

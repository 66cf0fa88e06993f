"""Attempts that failed are told and counted. Each is a row of the inbox: nothing is ever taken back."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

SCHEMA = "conditioning"


def upgrade() -> None:
    op.add_column("inbox", sa.Column("failed_level", sa.Integer), schema=SCHEMA)
    op.create_index(
        "inbox_failures",
        "inbox",
        ["athlete_id", "completed_time"],
        schema=SCHEMA,
        postgresql_where=sa.text("failed_level IS NOT NULL"),
    )

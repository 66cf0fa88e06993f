"""Sets can be deleted, and sessions that are open are found without looking at the others."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

SCHEMA = "session"


def upgrade() -> None:
    op.add_column(
        "workout_sets",
        sa.Column("is_deleted", sa.Boolean, nullable=False, server_default=sa.false()),
        schema=SCHEMA,
    )
    op.create_index(
        "sessions_open",
        "sessions",
        ["athlete_id", sa.text("started_time DESC"), sa.text("session_id DESC")],
        schema=SCHEMA,
        postgresql_where=sa.text("status = 'IN_PROGRESS'"),
    )

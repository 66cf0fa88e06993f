"""Failures since a protocol was last done are found without looking at those from before, however many there were."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

SCHEMA = "conditioning"


def upgrade() -> None:
    op.drop_index("inbox_failures", "inbox", schema=SCHEMA)
    op.create_index(
        "inbox_failures",
        "inbox",
        ["athlete_id", "protocol", "completed_time"],
        schema=SCHEMA,
        postgresql_where=sa.text("failed_level IS NOT NULL"),
    )

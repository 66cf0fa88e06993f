"""Benchmarks say where they come from, and are listed by time. What was kept before came from time trials."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

SCHEMA = "conditioning"


def upgrade() -> None:
    op.add_column(
        "benchmarks",
        sa.Column(
            "source",
            sa.Text,
            sa.CheckConstraint("source IN ('TIME_TRIAL', 'MANUAL')"),
            nullable=False,
            server_default="TIME_TRIAL",
        ),
        schema=SCHEMA,
    )
    op.create_index(
        "benchmarks_by_time",
        "benchmarks",
        ["athlete_id", sa.text("measured_time DESC"), sa.text("session_id DESC")],
        schema=SCHEMA,
    )

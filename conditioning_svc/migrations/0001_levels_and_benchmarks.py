"""Levels, benchmarks and their inbox."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "levels",
        sa.Column("athlete_id", sa.Uuid, primary_key=True),
        sa.Column("protocol", sa.Text, primary_key=True),
        sa.Column("level", sa.Integer, sa.CheckConstraint("level >= 1"), nullable=False),
        sa.Column("epoch", sa.Integer, sa.CheckConstraint("epoch >= 0"), nullable=False),
        sa.Column("last_done_time", sa.DateTime(timezone=True), nullable=False),
        schema="conditioning",
    )
    op.create_table(
        "benchmarks",
        sa.Column("athlete_id", sa.Uuid, primary_key=True),
        sa.Column("protocol", sa.Text, primary_key=True),
        sa.Column("equipment", sa.Text, primary_key=True),
        sa.Column("measured_time", sa.DateTime(timezone=True), primary_key=True),
        sa.Column("session_id", sa.Uuid, primary_key=True),
        sa.Column("average_watts", sa.Integer, sa.CheckConstraint("average_watts BETWEEN 1 AND 2000"), nullable=False),
        schema="conditioning",
    )
    op.create_table(
        "inbox",
        sa.Column("event_id", sa.Uuid, primary_key=True),
        sa.Column("athlete_id", sa.Uuid, nullable=False),
        sa.Column("session_id", sa.Uuid, nullable=False),
        sa.Column("protocol", sa.Text, nullable=False),
        sa.Column("planned_level", sa.Integer),
        sa.Column("epoch", sa.Integer),
        sa.Column("average_watts", sa.Integer),
        sa.Column("completed_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("received_time", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        schema="conditioning",
    )
    op.create_index("inbox_by_athlete", "inbox", ["athlete_id", "completed_time"], schema="conditioning")

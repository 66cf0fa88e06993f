"""The ledger and its inbox."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "athletes",
        sa.Column("athlete_id", sa.Uuid, primary_key=True),
        sa.Column("completed_sessions", sa.Integer, sa.CheckConstraint("completed_sessions >= 0"), nullable=False),
        schema="debt",
    )
    op.create_table(
        "slots",
        sa.Column("athlete_id", sa.Uuid, primary_key=True),
        sa.Column("slot", sa.Text, primary_key=True),
        sa.Column("session_number", sa.Integer, sa.CheckConstraint("session_number >= 1"), nullable=False),
        sa.Column("trained_time", sa.DateTime(timezone=True), nullable=False),
        schema="debt",
    )
    op.create_table(
        "inbox",
        sa.Column("event_id", sa.Uuid, primary_key=True),
        sa.Column("athlete_id", sa.Uuid, nullable=False),
        sa.Column("session_id", sa.Uuid, nullable=False),
        sa.Column("session_number", sa.Integer, sa.CheckConstraint("session_number >= 1"), nullable=False),
        sa.Column("slots", sa.ARRAY(sa.Text), nullable=False),
        sa.Column("completed_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("received_time", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        schema="debt",
    )
    op.create_index("inbox_by_athlete", "inbox", ["athlete_id", "session_number"], schema="debt")

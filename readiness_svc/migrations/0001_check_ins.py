"""Check-ins."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "check_ins",
        sa.Column("event_id", sa.Uuid, primary_key=True),
        sa.Column("athlete_id", sa.Uuid, nullable=False),
        sa.Column("session_id", sa.Uuid, nullable=False),
        sa.Column("knee_pain", sa.SmallInteger, sa.CheckConstraint("knee_pain BETWEEN 0 AND 10"), nullable=False),
        sa.Column("energy", sa.SmallInteger, sa.CheckConstraint("energy BETWEEN 0 AND 10"), nullable=False),
        sa.Column("state", sa.Text, sa.CheckConstraint("state IN ('GREEN', 'ORANGE', 'RED')"), nullable=False),
        sa.Column("check_in_time", sa.DateTime(timezone=True), nullable=False),
        schema="readiness",
    )
    op.create_index("check_ins_by_athlete", "check_ins", ["athlete_id", "check_in_time"], schema="readiness")

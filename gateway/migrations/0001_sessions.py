"""Sessions with their plans, sets, and the outbox."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSON, JSONB

revision = "0001"
down_revision = None

SCHEMA = "session"


def upgrade() -> None:
    op.create_table(
        "athletes",
        sa.Column("athlete_id", sa.Uuid, primary_key=True),
        sa.Column("completed_sessions", sa.Integer, sa.CheckConstraint("completed_sessions >= 0"), nullable=False),
        schema=SCHEMA,
    )
    op.create_table(
        "sessions",
        sa.Column("athlete_id", sa.Uuid, primary_key=True),
        sa.Column("session_id", sa.Uuid, primary_key=True),
        sa.Column(
            "status",
            sa.Text,
            sa.CheckConstraint("status IN ('IN_PROGRESS', 'COMPLETED', 'ABANDONED')"),
            nullable=False,
        ),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("archetype", sa.Text, nullable=False),
        sa.Column("anchor_pattern", sa.Text, nullable=False),
        sa.Column("inputs", JSON, nullable=False),
        sa.Column("plan", JSON, nullable=False),
        sa.Column("planned_slots", JSONB, nullable=False),
        sa.Column("started_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("completed_time", sa.DateTime(timezone=True)),
        sa.Column("completion", JSON),
        sa.Column("exercise_notes", JSONB, nullable=False, server_default=sa.text("'{}'")),
        sa.Column("summary_notes", sa.Text),
        sa.CheckConstraint("(status = 'COMPLETED') = (completed_time IS NOT NULL)", name="sessions_completed_check"),
        sa.CheckConstraint("(completion IS NULL) = (completed_time IS NULL)", name="sessions_completion_check"),
        schema=SCHEMA,
    )
    op.create_index(
        "sessions_by_start",
        "sessions",
        ["athlete_id", sa.text("started_time DESC"), sa.text("session_id DESC")],
        schema=SCHEMA,
    )
    op.create_table(
        "workout_sets",
        sa.Column("athlete_id", sa.Uuid, primary_key=True),
        sa.Column("session_id", sa.Uuid, primary_key=True),
        sa.Column("slot", sa.Text, primary_key=True),
        sa.Column(
            "exercise_name",
            sa.Text,
            sa.CheckConstraint("length(exercise_name) BETWEEN 1 AND 200"),
            primary_key=True,
        ),
        sa.Column("set_index", sa.SmallInteger, sa.CheckConstraint("set_index BETWEEN 0 AND 99"), primary_key=True),
        sa.Column("weight_kg", sa.Numeric(6, 2), sa.CheckConstraint("weight_kg BETWEEN 0 AND 1000")),
        sa.Column("reps", sa.SmallInteger, sa.CheckConstraint("reps BETWEEN 0 AND 1000")),
        sa.Column("seconds", sa.Integer, sa.CheckConstraint("seconds BETWEEN 0 AND 86400")),
        sa.Column("is_warmup", sa.Boolean, nullable=False),
        sa.Column("is_benchmark", sa.Boolean, nullable=False),
        sa.Column("metadata", JSONB, nullable=False),
        sa.Column("client_rev", sa.Integer, sa.CheckConstraint("client_rev >= 0")),
        sa.Column("device_id", sa.Text, nullable=False),
        sa.Column("updated_time", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["athlete_id", "session_id"], ["session.sessions.athlete_id", "session.sessions.session_id"]
        ),
        schema=SCHEMA,
    )
    op.create_table(
        "outbox",
        sa.Column("event_id", sa.Uuid, primary_key=True),
        sa.Column("athlete_id", sa.Uuid, nullable=False),
        sa.Column("session_id", sa.Uuid, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("payload", JSONB, nullable=False),
        sa.Column(
            "delivery",
            sa.Text,
            sa.CheckConstraint("delivery IN ('PENDING', 'APPLIED', 'DEAD')"),
            nullable=False,
        ),
        sa.Column("attempts", sa.Integer, nullable=False, server_default=sa.text("0")),
        sa.Column("not_before", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_time", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.Column("settled_time", sa.DateTime(timezone=True)),
        schema=SCHEMA,
    )
    op.create_index(
        "outbox_due", "outbox", ["not_before"], schema=SCHEMA, postgresql_where=sa.text("delivery = 'PENDING'")
    )
    op.create_index("outbox_by_session", "outbox", ["athlete_id", "session_id"], schema=SCHEMA)

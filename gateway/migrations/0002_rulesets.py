"""Versions of the rules, and which of them is in force."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0002"
down_revision = "0001"

SCHEMA = "session"


def upgrade() -> None:
    op.create_table(
        "rules",
        sa.Column("content_hash", sa.Text, primary_key=True),
        sa.Column("yaml", sa.Text, nullable=False),
        sa.Column("kept_time", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        schema=SCHEMA,
    )
    op.create_table(
        "rulesets",
        sa.Column("ruleset_hash", sa.Text, primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("author", sa.Text, nullable=False),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("parts", JSONB, nullable=False),
        sa.Column("created_time", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        schema=SCHEMA,
    )
    op.create_table(
        "activations",
        sa.Column("activation_id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
        sa.Column("ruleset_hash", sa.Text, sa.ForeignKey("session.rulesets.ruleset_hash"), nullable=False),
        sa.Column("author", sa.Text, nullable=False),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("activated_time", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        schema=SCHEMA,
    )
    op.create_index("sessions_by_time", "sessions", ["started_time", "session_id"], schema=SCHEMA)

"""What of the rules is stricter for single athletes."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0003"
down_revision = "0002"

SCHEMA = "session"


def upgrade() -> None:
    op.create_table(
        "overlays",
        sa.Column("overlay_id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
        sa.Column("athlete_id", sa.Uuid, nullable=False),
        sa.Column("content_hash", sa.Text),
        sa.Column("yaml", sa.Text),
        sa.Column("overlay", JSONB),
        sa.Column("author", sa.Text, nullable=False),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("created_time", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.CheckConstraint("num_nulls(content_hash, yaml, overlay) IN (0, 3)", name="overlays_whole_check"),
        schema=SCHEMA,
    )
    op.create_index("overlays_by_athlete", "overlays", ["athlete_id", sa.text("overlay_id DESC")], schema=SCHEMA)

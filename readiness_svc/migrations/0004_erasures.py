"""Athletes who are forgotten."""

import sqlalchemy as sa
from alembic import op

from shared import walls

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "erasures",
        sa.Column("athlete_id", sa.Uuid, primary_key=True),
        sa.Column("erased_time", sa.DateTime(timezone=True), nullable=False),
        schema="readiness",
    )
    walls.allow("readiness", "erasures", walls.KEEPS)
    walls.only_of_athletes("readiness", "erasures")
    for table in ("check_ins",):
        walls.allow("readiness", table, walls.FORGETS)

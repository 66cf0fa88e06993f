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
        schema="debt",
    )
    walls.allow("debt", "erasures", walls.KEEPS)
    walls.only_of_athletes("debt", "erasures")
    for table in ("athletes", "slots", "inbox"):
        walls.allow("debt", table, walls.FORGETS)

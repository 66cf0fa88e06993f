"""Athletes who are forgotten."""

import sqlalchemy as sa
from alembic import op

from shared import walls

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.create_table(
        "erasures",
        sa.Column("athlete_id", sa.Uuid, primary_key=True),
        sa.Column("erased_time", sa.DateTime(timezone=True), nullable=False),
        schema="conditioning",
    )
    walls.allow("conditioning", "erasures", walls.KEEPS)
    walls.only_of_athletes("conditioning", "erasures")
    for table in ("levels", "benchmarks", "inbox"):
        walls.allow("conditioning", table, walls.FORGETS)

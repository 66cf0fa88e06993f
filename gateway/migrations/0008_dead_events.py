"""Dead events are found without reading all the others."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"

SCHEMA = "session"


def upgrade() -> None:
    op.create_index(
        "outbox_dead", "outbox", ["settled_time"], schema=SCHEMA, postgresql_where=sa.text("delivery = 'DEAD'")
    )

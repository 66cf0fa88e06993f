"""What is on its way for one athlete is found without looking at all that ever was."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

SCHEMA = "session"


def upgrade() -> None:
    op.create_index(
        "outbox_of_athlete", "outbox", ["athlete_id"], schema=SCHEMA, postgresql_where=sa.text("delivery = 'PENDING'")
    )

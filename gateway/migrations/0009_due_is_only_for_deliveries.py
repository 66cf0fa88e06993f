"""What is due is found by when it is due; what is on its way to one athlete never is.

Among many events that wait, the planner may think that an athlete with a long history has a lot of them, and rather
read all by `outbox_due`. It can no longer: that index now holds for statements alone that ask for a moment.
"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"

SCHEMA = "session"


def upgrade() -> None:
    op.drop_index("outbox_due", "outbox", schema=SCHEMA)
    op.create_index(
        "outbox_due",
        "outbox",
        ["not_before"],
        schema=SCHEMA,
        postgresql_where=sa.text("delivery = 'PENDING' AND not_before IS NOT NULL"),
    )

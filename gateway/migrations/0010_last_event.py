"""What moved an athlete last is kept with them: whoever knows it can tell whether anything has moved them since.

The database notes it, not the program: then it holds whatever stores an event, older programs that still run included.
"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"

SCHEMA = "session"


def upgrade() -> None:
    op.add_column(
        "athletes",
        # Of who was moved before, it is the same for all, and was never the id of an event. No row is rewritten.
        sa.Column(
            "last_event_id", sa.Uuid, nullable=False, server_default=sa.text("'00000000-0000-0000-0000-000000000000'")
        ),
        schema=SCHEMA,
    )
    op.execute("""
        CREATE FUNCTION session.note_last_event() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
          INSERT INTO session.athletes (athlete_id, completed_sessions, last_event_id)
          VALUES (NEW.athlete_id, 0, NEW.event_id)
          ON CONFLICT (athlete_id) DO UPDATE SET last_event_id = excluded.last_event_id;
          RETURN NULL;
        END $$
    """)
    # Check-ins move nothing. Who is deleted has no row to note it in, which says as much.
    op.execute("""
        CREATE TRIGGER note_last_event AFTER INSERT ON session.outbox FOR EACH ROW
        WHEN (NEW.kind IN ('TRAINING', 'LEVEL', 'FAILURE', 'BENCHMARK'))
        EXECUTE FUNCTION session.note_last_event()
    """)

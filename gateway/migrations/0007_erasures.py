"""Athletes can be forgotten: what is kept of them may be deleted."""

from shared import walls

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    for table in ("athletes", "sessions", "workout_sets", "outbox", "overlays"):
        walls.allow("session", table, walls.FORGETS)

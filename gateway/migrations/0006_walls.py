"""What the service may do with each table, and whose rows it sees."""

from shared import walls

revision = "0006"
down_revision = "0005"
oldest_code = "0006"  # older code names no athletes, and would see no rows


def upgrade() -> None:
    walls.allow("session", "athletes", walls.KEEPS)
    walls.allow("session", "sessions", walls.KEEPS)
    walls.allow("session", "workout_sets", walls.KEEPS)
    walls.allow("session", "outbox", walls.KEEPS)
    walls.allow("session", "rules", walls.APPENDS)
    walls.allow("session", "rulesets", walls.APPENDS)
    walls.allow("session", "activations", walls.APPENDS)
    walls.allow("session", "overlays", walls.APPENDS)
    for table in ("athletes", "sessions", "workout_sets", "outbox", "overlays"):
        walls.only_of_athletes("session", table)
    walls.also_of_everyone("session", "sessions", ("SELECT", "UPDATE"))
    walls.also_of_everyone("session", "workout_sets", ("SELECT",))
    walls.also_of_everyone("session", "overlays", ("SELECT",))
    walls.also_of_everyone("session", "outbox", ("SELECT", "UPDATE"))

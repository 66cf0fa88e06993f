"""What the service may do with each table, and whose rows it sees."""

from shared import walls

revision = "0003"
down_revision = "0002"
oldest_code = "0003"  # older code names no athletes, and would see no rows


def upgrade() -> None:
    walls.allow("debt", "athletes", walls.KEEPS)
    walls.allow("debt", "slots", walls.KEEPS)
    walls.allow("debt", "inbox", walls.APPENDS)
    walls.allow("debt", "rules", walls.APPENDS)
    for table in ("athletes", "slots", "inbox"):
        walls.only_of_athletes("debt", table)

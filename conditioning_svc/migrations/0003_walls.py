"""What the service may do with each table, and whose rows it sees."""

from shared import walls

revision = "0003"
down_revision = "0002"
oldest_code = "0003"  # older code names no athletes, and would see no rows


def upgrade() -> None:
    walls.allow("conditioning", "levels", walls.KEEPS)
    walls.allow("conditioning", "benchmarks", walls.APPENDS)
    walls.allow("conditioning", "inbox", walls.APPENDS)
    walls.allow("conditioning", "rules", walls.APPENDS)
    for table in ("levels", "benchmarks", "inbox"):
        walls.only_of_athletes("conditioning", table)

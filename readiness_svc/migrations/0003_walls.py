"""What the service may do with each table, and whose rows it sees."""

from shared import walls

revision = "0003"
down_revision = "0002"
oldest_code = "0003"  # older code names no athletes, and would see no rows


def upgrade() -> None:
    walls.allow("readiness", "check_ins", walls.APPENDS)
    walls.allow("readiness", "rules", walls.APPENDS)
    for table in ("check_ins",):
        walls.only_of_athletes("readiness", table)

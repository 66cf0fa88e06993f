"""Keeps check-ins: the only SQL of readiness."""

from collections.abc import Sequence
from operator import itemgetter
from typing import Any

from sqlalchemy import CheckConstraint, Column, DateTime, Index, MetaData, SmallInteger, Table, Text, Uuid
from sqlalchemy.dialects.postgresql import insert

from readiness_svc.domain import RecordedCheckIn
from shared.crashpoints import Crashpoint, reach
from shared.db import Database, one_at_a_time
from shared.erasure import erasures_table, still_wanted
from shared.rules_shelf import rules_table
from shared.walls import Sight

SCHEMA = "readiness"
metadata = MetaData(schema=SCHEMA)
rules = rules_table(metadata)
erasures = erasures_table(metadata)

# The primary key is the inbox: an event that is delivered again finds its row.
check_ins = Table(
    "check_ins",
    metadata,
    Column("event_id", Uuid, primary_key=True),
    Column("athlete_id", Uuid, nullable=False),
    Column("session_id", Uuid, nullable=False),
    Column("knee_pain", SmallInteger, CheckConstraint("knee_pain BETWEEN 0 AND 10"), nullable=False),
    Column("energy", SmallInteger, CheckConstraint("energy BETWEEN 0 AND 10"), nullable=False),
    Column("state", Text, CheckConstraint("state IN ('GREEN', 'ORANGE', 'RED')"), nullable=False),
    Column("check_in_time", DateTime(timezone=True), nullable=False),
    Index("check_ins_by_athlete", "athlete_id", "check_in_time"),
)


class CheckInStore:
    """Check-ins of all athletes."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def record(self, events: Sequence[RecordedCheckIn]) -> None:
        """Keeps the events that are not kept yet, but for those from before the athlete was erased.

        Raises DependencyUnavailable.
        """
        with self._database.transaction(Sight.of(event.athlete_id for event in events)) as connection:
            one_at_a_time(connection, SCHEMA, (event.athlete_id for event in events))
            rows = [_row(event) for event in still_wanted(connection, erasures, events)]
            if rows:
                # In an order in which none can deadlock.
                rows.sort(key=itemgetter("event_id"))
                connection.execute(insert(check_ins).values(rows).on_conflict_do_nothing())
            reach(Crashpoint.EFFECT_WRITTEN)
        reach(Crashpoint.EFFECT_COMMITTED)


def _row(event: RecordedCheckIn) -> dict[str, Any]:
    return {
        "event_id": event.event_id,
        "athlete_id": event.athlete_id,
        "session_id": event.session_id,
        **event.check_in,
        "state": event.state.name,
        "check_in_time": event.check_in_time,
    }

"""Keeps ledgers: the only SQL of debt.

A ledger is a row per athlete and a row per slot, so reading it costs the same after ten sessions and after ten
thousand. Events are kept too: they are the inbox, and the ledger can be replayed from them.
"""

from collections.abc import Iterable, Sequence
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    CheckConstraint,
    Column,
    DateTime,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    Uuid,
    any_,
    bindparam,
    func,
    select,
)
from sqlalchemy.dialects.postgresql import Insert, insert

from debt_svc.domain import Ledger, Training, TrainingEvent
from shared.crashpoints import Crashpoint, reach
from shared.db import Database, one_at_a_time
from shared.erasure import erasures_table, still_wanted
from shared.prepared import Prepared
from shared.rules_shelf import rules_table
from shared.walls import Sight

SCHEMA = "debt"
metadata = MetaData(schema=SCHEMA)
rules = rules_table(metadata)
erasures = erasures_table(metadata)

athletes = Table(
    "athletes",
    metadata,
    Column("athlete_id", Uuid, primary_key=True),
    Column("completed_sessions", Integer, CheckConstraint("completed_sessions >= 0"), nullable=False),
)
slots = Table(
    "slots",
    metadata,
    Column("athlete_id", Uuid, primary_key=True),
    Column("slot", Text, primary_key=True),
    Column("session_number", Integer, CheckConstraint("session_number >= 1"), nullable=False),
    Column("trained_time", DateTime(timezone=True), nullable=False),
)
inbox = Table(
    "inbox",
    metadata,
    Column("event_id", Uuid, primary_key=True),
    Column("athlete_id", Uuid, nullable=False),
    Column("session_id", Uuid, nullable=False),
    Column("session_number", Integer, CheckConstraint("session_number >= 1"), nullable=False),
    Column("slots", ARRAY(Text), nullable=False),
    Column("completed_time", DateTime(timezone=True), nullable=False),
    Column("received_time", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Index("inbox_by_athlete", "athlete_id", "session_number"),
)

# Left join: an athlete whose sessions trained nothing that takes turns still has a number of sessions.
_LEDGERS = Prepared(
    select(
        athletes.c.athlete_id, athletes.c.completed_sessions, slots.c.slot, slots.c.session_number, slots.c.trained_time
    )
    .join_from(athletes, slots, slots.c.athlete_id == athletes.c.athlete_id, isouter=True)
    .where(athletes.c.athlete_id == any_(bindparam("athlete_ids", type_=ARRAY(Uuid))))
)


class LedgerStore:
    """Ledgers of all athletes."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def ledgers(self, athlete_ids: Iterable[UUID]) -> dict[UUID, Ledger]:
        """The ledgers of these athletes, an empty one for who is unknown. Raises DependencyUnavailable."""
        wanted = list(athlete_ids)
        sessions: dict[UUID, int] = dict.fromkeys(wanted, 0)
        trained: dict[UUID, dict[str, Training]] = {athlete_id: {} for athlete_id in wanted}
        (rows,) = self._database.fetch(Sight.of(wanted), (_LEDGERS, {"athlete_ids": wanted}))
        for row in rows:
            sessions[row.athlete_id] = row.completed_sessions
            if row.slot is not None:
                trained[row.athlete_id][row.slot] = Training(row.session_number, row.trained_time)
        return {athlete_id: Ledger(sessions[athlete_id], trained[athlete_id]) for athlete_id in wanted}

    def record(self, events: Sequence[TrainingEvent]) -> None:
        """Applies the events that were not applied before, all or none. Raises DependencyUnavailable.

        What came to be before its athlete was erased is left out.

        Each row takes the greater of what it has and what the event says, as `domain.apply` does.
        """
        with self._database.transaction(Sight.of(event.athlete_id for event in events)) as connection:
            one_at_a_time(connection, SCHEMA, (event.athlete_id for event in events))
            for event in still_wanted(connection, erasures, events):
                fresh = connection.execute(
                    insert(inbox)
                    .values(
                        event_id=event.event_id,
                        athlete_id=event.athlete_id,
                        session_id=event.session_id,
                        session_number=event.session_number,
                        slots=list(event.slots),
                        completed_time=event.completed_time,
                    )
                    .on_conflict_do_nothing()
                    .returning(inbox.c.event_id)
                )
                if fresh.first() is None:
                    continue
                athlete = insert(athletes).values(athlete_id=event.athlete_id, completed_sessions=event.session_number)
                greatest = func.greatest(athletes.c.completed_sessions, athlete.excluded.completed_sessions)
                connection.execute(
                    athlete.on_conflict_do_update(index_elements=["athlete_id"], set_={"completed_sessions": greatest})
                )
                if event.slots:
                    connection.execute(_train(event))
            reach(Crashpoint.EFFECT_WRITTEN)
        reach(Crashpoint.EFFECT_COMMITTED)


def _train(event: TrainingEvent) -> Insert:
    row = insert(slots).values(
        [
            {
                "athlete_id": event.athlete_id,
                "slot": slot,
                "session_number": event.session_number,
                "trained_time": event.completed_time,
            }
            for slot in sorted(event.slots)
        ]
    )
    return row.on_conflict_do_update(
        index_elements=["athlete_id", "slot"],
        set_={
            "session_number": func.greatest(slots.c.session_number, row.excluded.session_number),
            "trained_time": func.greatest(slots.c.trained_time, row.excluded.trained_time),
        },
    )

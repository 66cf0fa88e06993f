"""Forgets athletes: deletes all rows of a schema that name one, and keeps out what arrives late from before.

What stays is the id and the moment, for without them an event that was on its way would bring data back.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from sqlalchemy import ARRAY, Column, Connection, DateTime, MetaData, Table, Uuid, any_, bindparam, delete, select
from sqlalchemy.dialects.postgresql import insert

from shared.db import Database, one_at_a_time
from shared.walls import Sight


@dataclass(frozen=True)
class Erasure:
    """An athlete who wants to be forgotten, and since when."""

    athlete_id: UUID
    erased_time: datetime


def erasures_table(metadata: MetaData) -> Table:
    """The table of athletes who are forgotten, in the schema of `metadata`."""
    return Table(
        "erasures",
        metadata,
        Column("athlete_id", Uuid, primary_key=True),
        Column("erased_time", DateTime(timezone=True), nullable=False),
    )


class Dated(Protocol):
    """Something about an athlete that came to be at a moment, or nobody knows when."""

    @property
    def athlete_id(self) -> UUID:
        """The athlete."""
        ...

    @property
    def created_time(self) -> datetime | None:
        """The moment."""
        ...


def still_wanted[Event: Dated](connection: Connection, erasures: Table, events: Sequence[Event]) -> list[Event]:
    """The events but for those that came to be before their athlete was forgotten."""
    athletes = bindparam("athlete_ids", type_=ARRAY(Uuid))
    forgotten = select(erasures).where(erasures.c.athlete_id == any_(athletes))
    rows = connection.execute(forgotten, {"athlete_ids": list({event.athlete_id for event in events})})
    since = {row.athlete_id: row.erased_time for row in rows}
    return [event for event in events if not _is_from_before(event.created_time, since.get(event.athlete_id))]


def _is_from_before(created: datetime | None, erased: datetime | None) -> bool:
    return created is not None and erased is not None and created <= erased


class ErasureStore:
    """Everything that one schema keeps of athletes."""

    def __init__(self, database: Database, erasures: Table) -> None:
        self._database = database
        self._erasures = erasures
        everything = erasures.metadata.sorted_tables
        self._owned = [table for table in everything if "athlete_id" in table.c and table is not erasures]

    def erase(self, wanted: Sequence[Erasure]) -> None:
        """Forgets athletes, all or none of them; who is forgotten since then already is left as they are.

        Raises DependencyUnavailable.
        """
        athlete_ids = {erasure.athlete_id for erasure in wanted}
        with self._database.transaction(Sight.of(athlete_ids)) as connection:
            one_at_a_time(connection, str(self._erasures.schema), athlete_ids)
            for erasure in wanted:
                if self._is_news(connection, erasure):
                    for table in self._owned:
                        connection.execute(delete(table).where(table.c.athlete_id == erasure.athlete_id))

    def _is_news(self, connection: Connection, erasure: Erasure) -> bool:
        row = insert(self._erasures).values(athlete_id=erasure.athlete_id, erased_time=erasure.erased_time)
        later = row.on_conflict_do_update(
            index_elements=["athlete_id"],
            set_={"erased_time": row.excluded.erased_time},
            where=self._erasures.c.erased_time < row.excluded.erased_time,
        )
        return connection.execute(later.returning(self._erasures.c.athlete_id)).first() is not None

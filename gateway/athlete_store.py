"""Reads, takes in and deletes everything that the gateway keeps of one athlete. Every statement names the athlete."""

from collections.abc import AsyncIterator, Callable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import ColumnElement, Row, Table, and_, delete, exists, func, insert, or_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway import outbox as outbox_store
from gateway.domain.plan import Plan
from gateway.domain.session import Delivery, Event
from gateway.outbox import KINDS
from gateway.records import AthleteRecord, EventRecord, Records, SessionRecord, SetRecord
from gateway.tables import athletes, metadata, outbox, sessions, workout_sets
from shared.db import AsyncDatabase
from shared.walls import Sight

PAGE_SIZE = 50
_ERASURES = tuple(kind for kind in KINDS if kind.startswith("ERASE"))


class AthleteNotEmpty(Exception):
    """Something is there already."""


class AthleteStore:
    """Everything about athletes, one at a time."""

    def __init__(self, database: AsyncDatabase) -> None:
        self._database = database

    async def erase(self, athlete_id: UUID, events: Callable[[datetime], Sequence[Event]]) -> tuple[Event, ...]:
        """Deletes everything of an athlete, and stores the events that tell the services; answers them.

        `events` makes them for the moment of the deletion. Raises DependencyUnavailable.
        """
        async with self._database.transaction(Sight.of([athlete_id])) as connection:
            # Whoever completes or logs waits here, and then finds nothing.
            for table in (athletes, sessions):
                await connection.execute(select(table.c.athlete_id).where(_of(table, athlete_id)).with_for_update())
            for table in reversed(metadata.sorted_tables):
                if "athlete_id" in table.c:
                    await connection.execute(delete(table).where(_of(table, athlete_id)))
            moment = (await connection.execute(select(func.clock_timestamp()))).scalar_one()
            return await outbox_store.put(connection, events(moment), held=True)

    async def export(self, athlete_id: UUID) -> AsyncIterator[AthleteRecord | SessionRecord | EventRecord]:
        """Everything of an athlete, oldest first, as it stood at one moment. Raises DependencyUnavailable."""
        async with self._database.snapshot(Sight.of([athlete_id])) as connection:
            yield await _athlete(connection, athlete_id)
            after: tuple[datetime, UUID] | None = None
            while page := await _sessions(connection, athlete_id, after):
                for record in page:
                    yield record
                after = page[-1].started_time, page[-1].session_id
            mine = and_(_of(outbox, athlete_id), outbox.c.kind.not_in(_ERASURES))
            columns = (outbox.c.event_id, outbox.c.session_id, outbox.c.kind, outbox.c.payload)
            for row in await connection.execute(
                select(*columns).where(mine).order_by(outbox.c.created_time, outbox.c.event_id)
            ):
                yield EventRecord(event_id=row.event_id, session_id=row.session_id, kind=row.kind, payload=row.payload)

    async def restore(self, athlete_id: UUID, records: Records) -> None:
        """Takes in everything of an athlete of whom nothing is kept, all or nothing.

        Raises AthleteNotEmpty, DependencyUnavailable.
        """
        async with self._database.transaction(Sight.of([athlete_id])) as connection:
            await self._check_empty(connection, athlete_id)
            count = records.athlete.completed_sessions
            await connection.execute(insert(athletes).values(athlete_id=athlete_id, completed_sessions=count))
            for session in records.sessions:
                await connection.execute(insert(sessions).values(_session_row(athlete_id, session)))
                if session.sets:
                    rows = [_set_row(athlete_id, session.session_id, one) for one in session.sets]
                    await connection.execute(insert(workout_sets), rows)
            if records.events:
                now = (await connection.execute(select(func.now()))).scalar_one()
                rows = [_event_row(athlete_id, event, now) for event in records.events]
                await connection.execute(insert(outbox), rows)

    async def _check_empty(self, connection: AsyncConnection, athlete_id: UUID) -> None:
        on_its_way = and_(outbox.c.athlete_id == athlete_id, outbox.c.delivery == Delivery.PENDING)
        occupied = or_(
            exists().where(sessions.c.athlete_id == athlete_id),
            exists().where(athletes.c.athlete_id == athlete_id),
            exists().where(on_its_way),
        )
        if (await connection.execute(select(occupied))).scalar_one():
            raise AthleteNotEmpty(
                f"athlete {athlete_id} has data, or its deletion is not through; records are taken in for empty ones"
            )


def _of(table: Table, athlete_id: UUID) -> ColumnElement[bool]:
    return table.c.athlete_id == athlete_id


async def _athlete(connection: AsyncConnection, athlete_id: UUID) -> AthleteRecord:
    known = select(athletes.c.completed_sessions).where(_of(athletes, athlete_id))
    count = (await connection.execute(known)).scalar()
    now = (await connection.execute(select(func.now()))).scalar_one()
    return AthleteRecord(athlete_id=athlete_id, exported_time=now, completed_sessions=count or 0)


async def _sessions(
    connection: AsyncConnection, athlete_id: UUID, after: tuple[datetime, UUID] | None
) -> list[SessionRecord]:
    place = (sessions.c.started_time, sessions.c.session_id)
    page = select(sessions).where(_of(sessions, athlete_id)).order_by(*place).limit(PAGE_SIZE)
    rows = (await connection.execute(page if after is None else page.where(tuple_(*place) > after))).all()
    ids = [row.session_id for row in rows]
    found: dict[UUID, list[SetRecord]] = {session_id: [] for session_id in ids}
    order = (workout_sets.c.slot, workout_sets.c.exercise_name, workout_sets.c.set_index)
    theirs = and_(_of(workout_sets, athlete_id), workout_sets.c.session_id.in_(ids))
    for row in await connection.execute(select(workout_sets).where(theirs).order_by(*order)):
        found[row.session_id].append(_fields(row, SetRecord))
    return [_fields(row, SessionRecord, sets=tuple(found[row.session_id])) for row in rows]


def _fields[T: msgspec.Struct](row: Row[*tuple[Any, ...]], shape: type[T], **known: object) -> T:
    """A record of the columns that have its fields' names."""
    values = {str(name): value for name, value in row._mapping.items() if name in shape.__struct_fields__}
    return msgspec.convert({**values, **known}, shape, strict=False)


def _session_row(athlete_id: UUID, session: SessionRecord) -> dict[str, Any]:
    plan = msgspec.convert(session.plan, Plan)
    # What is not there stays away: a JSON null would not be an absent completion.
    kept = {name: getattr(session, name) for name in SessionRecord.__struct_fields__ if name != "sets"}
    return {
        "athlete_id": athlete_id,
        "state": plan.state,
        "archetype": plan.archetype,
        "anchor_pattern": plan.anchor_pattern,
        "planned_slots": {planned.exercise.name: planned.slot for planned in plan.exercises},
        **{name: value for name, value in kept.items() if value is not None},
    }


def _set_row(athlete_id: UUID, session_id: UUID, one: SetRecord) -> dict[str, Any]:
    return {"athlete_id": athlete_id, "session_id": session_id, **msgspec.structs.asdict(one)}


def _event_row(athlete_id: UUID, event: EventRecord, now: datetime) -> dict[str, Any]:
    row = {"athlete_id": athlete_id, "delivery": Delivery.PENDING, "not_before": now}
    return {**row, **msgspec.structs.asdict(event)}

"""Keeps events until the services that they are for have applied them.

An event is put in the same transaction as what it tells of. Whoever delivers one holds it first, for a while: a crash
lets it go again, and delivering twice changes nothing.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import ARRAY, Interval, Text, Uuid, and_, any_, bindparam, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.domain.session import (
    BenchmarkMeasured,
    CheckInRecorded,
    CheckInsErased,
    Delivery,
    Event,
    LedgerErased,
    LevelCompleted,
    LevelFailed,
    Payload,
    ProfileErased,
    TrainingRecorded,
)
from gateway.tables import athletes, outbox
from shared.db import AsyncDatabase
from shared.prepared import Asked, Prepared
from shared.walls import EVERYONE, Sight

# Longer than any delivery may take.
HOLD = timedelta(seconds=10)
FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 30.0

KINDS: dict[str, type[Payload]] = {
    "CHECK_IN": CheckInRecorded,
    "TRAINING": TrainingRecorded,
    "LEVEL": LevelCompleted,
    "FAILURE": LevelFailed,
    "BENCHMARK": BenchmarkMeasured,
    "ERASE_CHECK_INS": CheckInsErased,
    "ERASE_LEDGER": LedgerErased,
    "ERASE_PROFILE": ProfileErased,
}
# What plans rest on: everything but check-ins, of which only history is made.
MOVING = tuple(kind for kind in KINDS if kind != "CHECK_IN")
_NAMES = {shape: kind for kind, shape in KINDS.items()}
_EVENT = (
    outbox.c.event_id,
    outbox.c.athlete_id,
    outbox.c.session_id,
    outbox.c.kind,
    outbox.c.payload,
    outbox.c.created_time,
)
_ON_THEIR_WAY = Prepared(
    select(*_EVENT).where(
        outbox.c.athlete_id == any_(bindparam("athlete_ids", type_=ARRAY(Uuid))),
        outbox.c.delivery == Delivery.PENDING,
        outbox.c.kind == any_(bindparam("kinds", list(MOVING), type_=ARRAY(Text))),
    )
)
_LAST = Prepared(
    select(athletes.c.athlete_id, athletes.c.last_event_id).where(
        athletes.c.athlete_id == any_(bindparam("athlete_ids", type_=ARRAY(Uuid)))
    )
)


def last_of(athlete_ids: Collection[UUID]) -> Asked:
    """Asks for the event that moved each of these athletes last, wherever it is by now."""
    return _LAST, {"athlete_ids": list(athlete_ids)}


def on_its_way_of(athlete_ids: Collection[UUID]) -> Asked:
    """Asks for what moves these athletes and no service has applied yet, whoever holds it."""
    return _ON_THEIR_WAY, {"athlete_ids": list(athlete_ids)}


def by_athlete(rows: Iterable[Any]) -> dict[UUID, list[Event]]:
    """The events that were asked for, by athlete who has any."""
    found: dict[UUID, list[Event]] = {}
    for row in rows:
        found.setdefault(row.athlete_id, []).append(_event(row))
    return found


async def put(connection: AsyncConnection, events: Sequence[Event], *, held: bool) -> tuple[Event, ...]:
    """Adds events to a transaction, and answers them as stored; `held` if the caller goes on to deliver them itself."""
    if not events:
        return ()
    added = insert(outbox).values([_row(event, HOLD if held else timedelta()) for event in events])
    # All events of one transaction come to be at the same moment.
    created_time = (await connection.execute(added.returning(outbox.c.created_time))).scalars().first()
    return tuple(replace(event, created_time=created_time) for event in events)


def _row(event: Event, hold: timedelta) -> dict[str, Any]:
    return {
        "event_id": event.event_id,
        "athlete_id": event.athlete_id,
        "session_id": event.session_id,
        "kind": _NAMES[type(event.payload)],
        "payload": msgspec.to_builtins(event.payload),
        "delivery": Delivery.PENDING,
        "not_before": func.now() + hold,
    }


@dataclass(frozen=True)
class Backlog:
    """What is still to be applied, how old the oldest of it is in seconds, and what was refused for good."""

    pending: float
    oldest_seconds: float
    dead: float


class Outbox:
    """Events of all athletes that are on their way."""

    def __init__(self, database: AsyncDatabase) -> None:
        self._database = database

    async def find(self, athlete_id: UUID, event_id: UUID) -> Event | None:
        """An athlete's event of this id, whatever became of it."""
        async with self._database.autocommit(Sight.of([athlete_id])) as connection:
            row = (await connection.execute(select(*_EVENT).where(outbox.c.event_id == event_id))).first()
        return None if row is None else _event(row)

    async def put_new(self, event: Event) -> Event | None:
        """Adds an event that the caller goes on to deliver itself, and answers it as stored.

        None if there is one of this id already.
        """
        added = insert(outbox).values(_row(event, HOLD)).on_conflict_do_nothing().returning(*_EVENT)
        async with self._database.autocommit(Sight.of([event.athlete_id])) as connection:
            row = (await connection.execute(added)).first()
        return None if row is None else _event(row)

    async def hold_due(self, limit: int) -> list[Event]:
        """At most `limit` events that are due and that nobody holds, now held by the caller."""
        due = (
            select(outbox.c.event_id)
            .where(and_(outbox.c.delivery == Delivery.PENDING, outbox.c.not_before <= func.now()))
            .order_by(outbox.c.not_before)
            .limit(limit)
            .with_for_update(skip_locked=True)
            # Else the planner may run it again for every row, and more is held than was asked for.
            .cte("due")
            .prefix_with("MATERIALIZED")
        )
        held = (
            update(outbox)
            .where(outbox.c.event_id.in_(select(due.c.event_id)))
            .values(not_before=func.now() + HOLD, attempts=outbox.c.attempts + 1)
            .returning(*_EVENT)
        )
        async with self._database.transaction(EVERYONE) as connection:
            return [_event(row) for row in await connection.execute(held)]

    async def on_its_way(self, athlete_ids: Collection[UUID]) -> dict[UUID, list[Event]]:
        """What moves these athletes and no service has applied yet, whoever holds it; by athlete who has any."""
        (rows,) = await self._database.fetch(Sight.of(athlete_ids), on_its_way_of(athlete_ids))
        return by_athlete(rows)

    async def settle(self, event_ids: Iterable[UUID], delivery: Delivery) -> None:
        """Notes that events were applied, or refused for good."""
        async with self._database.autocommit(EVERYONE) as connection:
            await connection.execute(
                update(outbox)
                .where(outbox.c.event_id.in_(list(event_ids)))
                .values(delivery=delivery, settled_time=func.now())
            )

    async def let_go(self, event_ids: Iterable[UUID]) -> None:
        """Lets events be tried again after a pause that doubles with every attempt."""
        seconds = func.least(
            FIRST_PAUSE_SECONDS * func.power(2, func.least(outbox.c.attempts, 16)), LONGEST_PAUSE_SECONDS
        )
        pause = func.make_interval(0, 0, 0, 0, 0, 0, seconds, type_=Interval)
        async with self._database.autocommit(EVERYONE) as connection:
            await connection.execute(
                update(outbox).where(outbox.c.event_id.in_(list(event_ids))).values(not_before=func.now() + pause)
            )

    async def backlog(self) -> Backlog:
        """What waits, of all athletes. Raises DependencyUnavailable."""
        age = func.extract("epoch", func.clock_timestamp() - func.min(outbox.c.created_time))
        waiting = select(func.count(), func.coalesce(age, 0)).where(outbox.c.delivery == Delivery.PENDING)
        refused = select(func.count()).select_from(outbox).where(outbox.c.delivery == Delivery.DEAD)
        async with self._database.autocommit(EVERYONE) as connection:
            pending, oldest = (await connection.execute(waiting)).one()
            return Backlog(pending, float(oldest), (await connection.execute(refused)).scalar_one())

    async def deliveries(self, athlete_id: UUID, session_id: UUID) -> dict[UUID, Delivery]:
        """How far the events of one session have come."""
        mine = and_(outbox.c.athlete_id == athlete_id, outbox.c.session_id == session_id)
        async with self._database.autocommit(Sight.of([athlete_id])) as connection:
            rows = await connection.execute(select(outbox.c.event_id, outbox.c.delivery).where(mine))
            return {row.event_id: Delivery(row.delivery) for row in rows}


def _event(row: Any) -> Event:
    payload = msgspec.convert(row.payload, KINDS[row.kind])
    return Event(row.event_id, row.athlete_id, row.session_id, payload, row.created_time)

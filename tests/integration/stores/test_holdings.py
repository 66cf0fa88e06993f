"""What moved an athlete last is noted however it is stored, and is never ahead of what is on its way."""

import asyncio
import uuid
from dataclasses import replace
from typing import Any
from uuid import UUID

import msgspec
import pytest

from gateway.domain.plan import Protocol
from gateway.domain.session import (
    BenchmarkMeasured,
    Delivery,
    Event,
    LedgerErased,
    LevelCompleted,
    LevelFailed,
    TrainingRecorded,
)
from gateway.holdings import Held
from gateway.records import AthleteRecord, EventRecord, Records
from tests.integration.service_helpers import (
    ATHLETE,
    NOW,
    STRANGER,
    Stores,
    check_in_event,
    new_session,
    number_id,
    with_stores,
)
from tests.integration.stores.helpers import SQUAT, completed, started

TRAINED = TrainingRecorded(1, ("SQUAT",), NOW)
MOVING = [
    TRAINED,
    LevelCompleted(Protocol.SIT, 3, 1, NOW),
    LevelFailed(Protocol.SIT, 3, 1, NOW),
    BenchmarkMeasured(Protocol.HIIT, "Assault Bike", 250, NOW),
]


def an_event(number: int, payload: Any = TRAINED, athlete_id: UUID = ATHLETE) -> Event:
    return Event(number_id(number), athlete_id, number_id(1), payload)


async def last_event(stores: Stores, athlete_id: UUID = ATHLETE) -> UUID | None:
    return (await stores.holdings.of([athlete_id]))[athlete_id].last_event


def test_of_whom_nothing_is_kept_nothing_is_held(database_url: str) -> None:
    async def body(stores: Stores) -> None:
        assert await stores.holdings.of([ATHLETE, STRANGER]) == {ATHLETE: Held(), STRANGER: Held()}

    with_stores(database_url, body)


@pytest.mark.parametrize("payload", MOVING, ids=lambda payload: type(payload).__name__)
def test_whatever_moves_an_athlete_is_noted_as_the_last(database_url: str, payload: Any) -> None:
    async def body(stores: Stores) -> None:
        theirs = an_event(9, athlete_id=STRANGER)
        for event in (theirs, an_event(1), an_event(2, payload)):
            assert await stores.outbox.put_new(event) is not None
        held = await stores.holdings.of([ATHLETE, STRANGER])
        assert {athlete_id: one.last_event for athlete_id, one in held.items()} == {
            ATHLETE: number_id(2),
            STRANGER: theirs.event_id,
        }
        assert [event.event_id for event in held[ATHLETE].on_its_way] == [number_id(1), number_id(2)]

    with_stores(database_url, body)


def test_what_changes_nothing_is_not_noted(database_url: str) -> None:
    async def body(stores: Stores) -> None:
        await stores.outbox.put_new(an_event(1))
        await stores.outbox.put_new(an_event(2))
        assert await stores.outbox.put_new(an_event(1)) is None  # sent once more
        await stores.outbox.put_new(replace(check_in_event(new_session()), event_id=number_id(3)))
        assert await last_event(stores) == number_id(2)

    with_stores(database_url, body)


def test_a_start_moves_nobody_and_a_completion_does(database_url: str) -> None:
    async def body(stores: Stores) -> None:
        session = new_session()
        await started(stores, session)
        assert await last_event(stores) is None
        _, events = await completed(stores, session, SQUAT)
        assert await last_event(stores) in {event.event_id for event in events}

    with_stores(database_url, body)


def test_of_who_was_deleted_nothing_is_noted_and_who_is_taken_in_again_was_moved(database_url: str) -> None:
    async def body(stores: Stores) -> None:
        await stores.outbox.put_new(an_event(1))
        erased = await stores.athletes.erase(ATHLETE, lambda moment: [an_event(2, LedgerErased(moment))])
        assert await last_event(stores) is None
        await stores.outbox.settle([event.event_id for event in erased], Delivery.APPLIED)
        record = EventRecord(
            event_id=number_id(3), session_id=number_id(1), kind="TRAINING", payload=msgspec.to_builtins(TRAINED)
        )
        athlete = AthleteRecord(athlete_id=ATHLETE, exported_time=NOW, completed_sessions=1)
        await stores.athletes.restore(ATHLETE, Records(athlete, (), (record,)))
        assert await last_event(stores) == number_id(3)

    with_stores(database_url, body)


def test_what_is_noted_was_applied_or_is_still_on_its_way(database_url: str) -> None:
    """Else what the services said before it would pass for what they say after it."""
    crowd = [number_id(number) for number in range(1, 9)]
    applied: set[UUID | None] = {None}

    async def deliver(stores: Stores, athlete_id: UUID) -> None:
        for _ in range(100):
            event = replace(an_event(1, athlete_id=athlete_id), event_id=uuid.uuid4())
            await stores.outbox.put_new(event)
            applied.add(event.event_id)
            await stores.outbox.settle([event.event_id], Delivery.APPLIED)

    async def look(stores: Stores) -> None:
        while True:
            for held in (await stores.holdings.of(crowd)).values():
                assert held.on_its_way or held.last_event in applied

    async def body(stores: Stores) -> None:
        looks = [asyncio.create_task(look(stores)) for _ in range(3)]
        await asyncio.gather(*(deliver(stores, athlete_id) for athlete_id in crowd))
        for one in looks:
            one.cancel()
        for one in looks:
            with pytest.raises(asyncio.CancelledError):
                await one

    with_stores(database_url, body)

"""The outbox: every event is handed out until it is settled, and to one holder at a time."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from gateway.domain.overlay import Overlay
from gateway.domain.plan import Protocol as PlannedProtocol
from gateway.domain.session import (
    BenchmarkMeasured,
    CheckInRecorded,
    Delivery,
    Event,
    LevelCompleted,
    LevelFailed,
    TrainingRecorded,
)
from gateway.outbox import FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS, put
from shared.db import AsyncDatabase
from shared.rules_loader import load_text
from tests.integration.service_helpers import (
    ATHLETE,
    NOW,
    STRANGER,
    Stores,
    execute,
    new_session,
    number_id,
    with_stores,
)
from tests.integration.stores.helpers import completed, started

FIRST_PAUSE = timedelta(seconds=FIRST_PAUSE_SECONDS)
LONGEST_PAUSE = timedelta(seconds=LONGEST_PAUSE_SECONDS)


def an_event(number: int, payload: Any = None) -> Event:
    return Event(
        number_id(number), ATHLETE, number_id(1), payload or TrainingRecorded(number, ("SQUAT",), NOW.replace(hour=3))
    )


def with_events[T](
    database_url: str, events: Sequence[Event], body: Callable[[Stores], Awaitable[T]], *, held: bool = False
) -> T:
    async def run(stores: Stores) -> T:
        database = AsyncDatabase(database_url)
        try:
            async with database.transaction() as connection:
                await put(connection, events, held=held)
        finally:
            await database.close()
        return await body(stores)

    return with_stores(database_url, run)


def ids(events: Sequence[Event]) -> set[UUID]:
    return {event.event_id for event in events}


def make_due(database_url: str) -> None:
    execute(database_url, "UPDATE session.outbox SET not_before = now() - interval '1 minute'")


def test_events_come_out_as_they_went_in(database_url: str) -> None:
    payloads = [
        CheckInRecorded({"knee_pain": 0, "energy": 10}, new_session().plan.state, NOW),
        TrainingRecorded(7, ("SQUAT", "CORE:TRANSVERSE"), NOW + timedelta(microseconds=1)),
        LevelCompleted(PlannedProtocol.SIT, 3, 1, NOW),
        LevelFailed(PlannedProtocol.SIT, 3, 1, NOW),
        BenchmarkMeasured(PlannedProtocol.HIIT, "Assault Bike", 250, NOW),
    ]
    events = [an_event(number, payload) for number, payload in enumerate(payloads)]
    out = with_events(database_url, events, lambda stores: stores.outbox.hold_due(10))
    assert [replace(one, created_time=None) for one in sorted(out, key=lambda event: event.event_id)] == events
    assert all(one.created_time is not None for one in out)


def test_athletes_who_are_asked_for_together_get_each_their_own_events(database_url: str) -> None:
    mine, theirs = an_event(1), replace(an_event(2), athlete_id=STRANGER)
    check_in = an_event(3, CheckInRecorded({"knee_pain": 0, "energy": 10}, new_session().plan.state, NOW))

    async def together(stores: Stores) -> dict[UUID, set[UUID]]:
        on_its_way = await stores.outbox.on_its_way([ATHLETE, STRANGER, number_id(999)])
        return {athlete_id: ids(events) for athlete_id, events in on_its_way.items()}

    found = with_events(database_url, [mine, theirs, check_in], together)
    assert found == {ATHLETE: {mine.event_id}, STRANGER: {theirs.event_id}}


def test_athletes_who_are_asked_for_together_get_each_the_last_overlay_of_their_own(database_url: str) -> None:
    first, last, other = (
        load_text(f"disabled_patterns: [{pattern}]\n", Overlay, file="overlay.yaml")
        for pattern in ("SQUAT", "LUNGE", "HINGE")
    )
    cleared = number_id(998)

    async def together(stores: Stores) -> dict[UUID, str]:
        for athlete_id, loaded in ((ATHLETE, first), (ATHLETE, last), (STRANGER, other), (cleared, first)):
            await stores.overlays.put(athlete_id, loaded, "coach", "")
        await stores.overlays.clear(cleared, "coach", "")
        found = await stores.overlays.in_force([ATHLETE, STRANGER, cleared, number_id(999)])
        return {athlete_id: overlay.content_hash for athlete_id, overlay in found.items()}

    assert with_stores(database_url, together) == {ATHLETE: last.content_hash, STRANGER: other.content_hash}


def test_an_event_that_is_held_is_not_handed_out_again(database_url: str) -> None:
    async def body(stores: Stores) -> None:
        assert ids(await stores.outbox.hold_due(10)) == {number_id(1), number_id(2)}
        assert await stores.outbox.hold_due(10) == []

    with_events(database_url, [an_event(1), an_event(2)], body)


def test_the_events_of_a_completion_are_held_by_who_completes(database_url: str) -> None:
    session = new_session()

    async def body(stores: Stores) -> list[Event]:
        await started(stores, session)
        _, events = await completed(stores, session)
        assert events
        return await stores.outbox.hold_due(10)

    assert [type(event.payload) for event in with_stores(database_url, body)] == [CheckInRecorded]


def test_what_a_crashed_holder_left_is_handed_out_again(database_url: str) -> None:
    async def hold(stores: Stores) -> list[Event]:
        return await stores.outbox.hold_due(10)

    assert with_events(database_url, [an_event(1)], hold, held=True) == []
    make_due(database_url)
    for attempt in (1, 2):
        assert [replace(one, created_time=None) for one in with_stores(database_url, hold)] == [an_event(1)]
        assert execute(database_url, "SELECT attempts FROM session.outbox") == [(attempt,)]
        make_due(database_url)


def test_concurrent_holders_share_nothing_and_miss_nothing(database_url: str) -> None:
    async def body(stores: Stores) -> None:
        for _ in range(3):
            hands = await asyncio.gather(*(stores.outbox.hold_due(7) for _ in range(6)))
            held = [event.event_id for hand in hands for event in hand]
            assert len(held) == len(set(held))
            assert all(len(hand) <= 7 for hand in hands)
            while more := await stores.outbox.hold_due(7):
                assert not ids(more) & set(held)
                held += ids(more)
            assert set(held) == set(map(number_id, range(30)))
            make_due(database_url)

    with_events(database_url, [an_event(number) for number in range(30)], body)


def test_no_more_events_are_held_than_asked_for_and_the_longest_waiting_first(database_url: str) -> None:
    events = [an_event(number) for number in range(40)]

    async def body(stores: Stores) -> None:
        execute(
            database_url,
            "UPDATE session.outbox SET not_before = now() - make_interval(mins => (payload ->> 'session_number')::int)",
        )
        for expected in (range(30, 40), range(20, 30)):
            assert ids(await stores.outbox.hold_due(10)) == set(map(number_id, expected))

    with_events(database_url, events, body)


def test_no_more_events_are_held_than_asked_for_even_if_the_table_grew_unnoticed(database_url: str) -> None:
    async def body(stores: Stores) -> list[Event]:
        # The planner believes in one row, and may then look for the due events once per row.
        execute(database_url, "VACUUM ANALYZE session.outbox")
        return await with_more(stores)

    async def with_more(stores: Stores) -> list[Event]:
        database = AsyncDatabase(database_url)
        async with database.transaction() as connection:
            await put(connection, [an_event(number) for number in range(1, 21)], held=False)
        await database.close()
        return await stores.outbox.hold_due(3)

    assert len(with_events(database_url, [an_event(0)], body)) == 3


@pytest.mark.parametrize("delivery", [Delivery.APPLIED, Delivery.DEAD])
def test_a_settled_event_is_never_handed_out_again(database_url: str, delivery: Delivery) -> None:
    async def body(stores: Stores) -> None:
        await stores.outbox.hold_due(1)
        await stores.outbox.settle([number_id(1)], delivery)
        await stores.outbox.let_go([number_id(1)])  # a slower holder's last word
        make_due(database_url)
        assert ids(await stores.outbox.hold_due(10)) == {number_id(2)}
        assert await stores.outbox.deliveries(ATHLETE, number_id(1)) == {
            number_id(1): delivery,
            number_id(2): Delivery.PENDING,
        }

    with_events(database_url, [an_event(1), an_event(2)], body)


def test_an_event_that_is_let_go_waits_longer_after_every_attempt(database_url: str) -> None:
    async def body(stores: Stores) -> list[timedelta]:
        pauses = []
        for _ in range(8):
            make_due(database_url)
            assert ids(await stores.outbox.hold_due(1)) == {number_id(1)}
            ((before,),) = execute(database_url, "SELECT clock_timestamp()")
            await stores.outbox.let_go([number_id(1)])
            ((after, until),) = execute(database_url, "SELECT clock_timestamp(), not_before FROM session.outbox")
            # The pause begins somewhere between the two readings, so exactly one of the possible pauses fits.
            possible = [FIRST_PAUSE * 2**doubled for doubled in range(12)] + [LONGEST_PAUSE]
            (pause,) = {pause for pause in possible if before <= until - pause <= after}
            pauses.append(pause)
        return pauses

    pauses = with_events(database_url, [an_event(1)], body)
    assert pauses == sorted(pauses)
    assert pauses[0] <= timedelta(seconds=1)
    assert pauses[1] == 2 * pauses[0]
    assert pauses[-1] == LONGEST_PAUSE

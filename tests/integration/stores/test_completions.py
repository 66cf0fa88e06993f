"""Completion: result, number and events together, once, however many come at once."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest

from gateway.domain.session import Delivery, Notes, SessionClosed, SessionCompleted, Status, TrainingRecorded, Verdict
from tests.integration.service_helpers import ATHLETE, DEBT, Stores, execute, move_back, new_session, with_stores
from tests.integration.stores.helpers import LATE, SQUAT, completed, started


def test_completing_keeps_result_notes_and_events_together(database_url: str) -> None:
    session = new_session()
    notes = Notes({"Back Squat": "deep"}, "good")

    async def body(stores: Stores) -> None:
        await started(stores, session)
        done, events = await completed(stores, session, SQUAT, notes=notes)
        assert (done.status, done.notes, done.plan, done.inputs) == (
            Status.COMPLETED,
            notes,
            session.plan,
            session.inputs,
        )
        assert done.completion.session_number == 1
        (squat,) = (effect for effect in done.completion.effects if effect.subject == "SQUAT")
        assert squat.verdict is Verdict.GRANTED
        (trained,) = (event.payload for event in events if isinstance(event.payload, TrainingRecorded))
        assert trained == TrainingRecorded(1, ("SQUAT",), done.completed_time, DEBT.content_hash)
        assert await stores.sessions.get(ATHLETE, session.session_id) == done
        pending = await stores.outbox.deliveries(ATHLETE, session.session_id)
        assert {pending[event.event_id] for event in events} == {Delivery.PENDING}

    with_stores(database_url, body)


def test_of_many_concurrent_completions_there_is_one_result_one_number_and_one_set_of_events(
    database_url: str,
) -> None:
    session = new_session()

    async def body(stores: Stores) -> list[Any]:
        await started(stores, session)
        return await asyncio.gather(
            *(completed(stores, session, replace(SQUAT, reps=n + 1), notes=Notes({}, str(n))) for n in range(10))
        )

    answers = with_stores(database_url, body)
    assert all(answer[0] == answers[0][0] for answer in answers)
    (events,) = (events for _, events in answers if events)
    assert answers[0][0].completion.session_number == 1
    assert execute(database_url, "SELECT completed_sessions FROM session.athletes") == [(1,)]
    sent = execute(database_url, "SELECT event_id FROM session.outbox WHERE kind <> 'CHECK_IN'")
    assert {event_id for (event_id,) in sent} == {event.event_id for event in events}


def test_concurrent_completions_of_one_athlete_are_numbered_without_gaps(database_url: str) -> None:
    sessions = [new_session(number) for number in range(1, 9)]

    async def body(stores: Stores) -> list[Any]:
        await started(stores, *sessions)
        return await asyncio.gather(*(completed(stores, session) for session in sessions))

    answers = with_stores(database_url, body)
    assert sorted(done.completion.session_number for done, _ in answers) == list(range(1, 9))


def test_a_repeated_completion_answers_the_stored_result_and_keeps_nothing_new(database_url: str) -> None:
    session = new_session()

    async def body(stores: Stores) -> None:
        await started(stores, session)
        first, _ = await completed(stores, session, notes=Notes({}, "first"))
        assert await completed(stores, session, SQUAT, notes=Notes({}, "second")) == (first, ())
        assert await stores.sessions.sets(ATHLETE, session.session_id) == []

    with_stores(database_url, body)


def test_a_completion_that_fails_leaves_no_trace(database_url: str) -> None:
    session = new_session()

    def fail(*_: object) -> Any:
        raise SessionClosed("no")

    async def body(stores: Stores) -> None:
        await started(stores, session)
        with pytest.raises(SessionClosed):
            await stores.sessions.complete(ATHLETE, session.session_id, [SQUAT], Notes({}, "gone"), fail)
        assert await stores.sessions.get(ATHLETE, session.session_id) == session
        assert await stores.sessions.sets(ATHLETE, session.session_id) == []
        done, _ = await completed(stores, session)
        assert done.completion.session_number == 1

    with_stores(database_url, body)


def test_an_abandoned_session_can_be_completed_late(database_url: str) -> None:
    session = new_session(started=datetime.now(UTC))
    run = partial(with_stores, database_url)

    async def give_up(stores: Stores) -> None:
        await started(stores, session)
        for _ in range(2):
            await stores.sessions.abandon(ATHLETE, session.session_id)
        assert (await stores.sessions.get(ATHLETE, session.session_id)).status is Status.ABANDONED

    async def finish(stores: Stores) -> Any:
        return await completed(stores, session, SQUAT)

    run(give_up)
    move_back(database_url, "started_time", LATE + timedelta(minutes=1))
    with pytest.raises(SessionClosed) as raised:
        run(finish)
    assert raised.value.metadata == {"window_hours": str(14 * 24)}
    move_back(database_url, "started_time", -timedelta(minutes=31))
    done, events = run(finish)
    assert done.status is Status.COMPLETED
    assert events


def test_a_completed_session_cannot_be_abandoned(database_url: str) -> None:
    session = new_session()

    async def body(stores: Stores) -> None:
        await started(stores, session)
        done, _ = await completed(stores, session)
        with pytest.raises(SessionCompleted):
            await stores.sessions.abandon(ATHLETE, session.session_id)
        assert await stores.sessions.get(ATHLETE, session.session_id) == done

    with_stores(database_url, body)

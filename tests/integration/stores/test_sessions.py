"""Sessions: what was planned stays as it was written, and belongs to one athlete."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

import msgspec

from gateway.domain.inputs import Inputs
from gateway.domain.plan import Plan
from gateway.domain.session import Notes, Session, SessionNotFound, Status
from shared.rpc.status import as_status
from tests.integration.service_helpers import (
    ATHLETE,
    NOW,
    STRANGER,
    Stores,
    check_in_event,
    execute,
    new_session,
    number_id,
    settle_by_rules,
    with_stores,
)
from tests.integration.stores.helpers import SQUAT, WINDOWS, completed, refused, started


def test_a_started_session_is_read_back_as_it_was_planned(database_url: str) -> None:
    session = new_session()

    async def body(stores: Stores) -> None:
        await started(stores, session)
        kept = await stores.sessions.get(ATHLETE, session.session_id)
        assert kept == session
        for part in ("inputs", "plan"):
            assert msgspec.json.encode(getattr(kept, part)) == msgspec.json.encode(getattr(session, part))

    with_stores(database_url, body)


def test_what_was_planned_stays_as_it_was_written(database_url: str) -> None:
    session = new_session()
    with_stores(database_url, lambda stores: started(stores, session))
    ((inputs, plan),) = execute(database_url, "SELECT inputs::text, plan::text FROM session.sessions")
    for text, value, shape in ((inputs, session.inputs, Inputs), (plan, session.plan, Plan)):
        again = msgspec.json.decode(text, type=shape)
        assert again == value
        assert msgspec.json.format(text.encode(), indent=-1) == msgspec.json.encode(value)


def test_a_start_with_a_known_id_answers_the_stored_session_and_sends_nothing(database_url: str) -> None:
    session = new_session()
    later = replace(new_session(started=NOW + timedelta(hours=1)), session_id=session.session_id)

    async def body(stores: Stores) -> None:
        await started(stores, session)
        assert await stores.sessions.start(later, [check_in_event(later)]) == session
        assert await stores.sessions.get(ATHLETE, session.session_id) == session

    with_stores(database_url, body)
    assert execute(database_url, "SELECT count(*) FROM session.outbox") == [(1,)]


def test_of_many_concurrent_starts_with_one_id_exactly_one_is_the_start(database_url: str) -> None:
    attempts = [replace(new_session(started=NOW + timedelta(hours=n)), session_id=number_id(1)) for n in range(10)]

    async def body(stores: Stores) -> list[Session | None]:
        return await asyncio.gather(
            *(stores.sessions.start(attempt, [check_in_event(attempt)]) for attempt in attempts)
        )

    answers = with_stores(database_url, body)
    assert answers.count(None) == 1
    assert {answer for answer in map(_started, answers) if answer} == {attempts[answers.index(None)].started_time}
    assert execute(database_url, "SELECT count(*) FROM session.outbox") == [(1,)]


def _started(session: Session | None) -> datetime | None:
    return None if session is None else session.started_time


def test_two_athletes_may_choose_the_same_id(database_url: str) -> None:
    mine, theirs = new_session(), new_session(athlete_id=STRANGER, started=NOW + timedelta(hours=1))

    async def body(stores: Stores) -> None:
        await started(stores, mine, theirs)
        await completed(stores, theirs)
        assert await stores.sessions.get(ATHLETE, mine.session_id) == mine
        assert (await stores.sessions.get(STRANGER, mine.session_id)).status is Status.COMPLETED

    with_stores(database_url, body)


def test_a_foreign_session_answers_exactly_like_an_absent_one(database_url: str) -> None:
    session = new_session()

    async def body(stores: Stores) -> None:
        await started(stores, session)
        await stores.sessions.log(ATHLETE, session.session_id, [SQUAT], WINDOWS)
        before = await stores.sessions.get(ATHLETE, session.session_id)
        calls: list[Callable[[UUID], Awaitable[object]]] = [
            lambda session_id: stores.sessions.get(STRANGER, session_id),
            lambda session_id: stores.sessions.log(STRANGER, session_id, [SQUAT], WINDOWS),
            lambda session_id: stores.sessions.complete(STRANGER, session_id, [], Notes(), settle_by_rules),
            lambda session_id: stores.sessions.complete(STRANGER, session_id, [SQUAT], Notes(), settle_by_rules),
            lambda session_id: stores.sessions.abandon(STRANGER, session_id),
        ]
        for call in calls:
            foreign, absent = [await refused(call(session_id)) for session_id in (session.session_id, number_id(999))]
            assert type(foreign) is SessionNotFound
            assert as_status(foreign).SerializeToString() == as_status(absent).SerializeToString()
        assert await stores.sessions.sets(STRANGER, session.session_id) == []
        assert await stores.outbox.deliveries(STRANGER, session.session_id) == {}
        assert await stores.sessions.page(STRANGER, 10, None) == []
        assert await stores.sessions.get(ATHLETE, session.session_id) == before

    with_stores(database_url, body)
    assert execute(database_url, "SELECT count(*) FROM session.athletes") == [(0,)]

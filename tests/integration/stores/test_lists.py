"""Lists of sessions, and sessions that were left open."""

from datetime import UTC, datetime, timedelta

from gateway.domain.session import SessionSummary, Status
from tests.integration.service_helpers import (
    ATHLETE,
    NOW,
    STRANGER,
    Stores,
    execute,
    move_back,
    new_session,
    number_id,
    with_stores,
)
from tests.integration.stores.helpers import SQUAT, WINDOWS, completed, started


def test_only_sessions_in_which_nothing_happened_for_long_are_given_up(database_url: str) -> None:
    idle, trained_in, young, done = (new_session(number, started=datetime.now(UTC)) for number in range(1, 5))

    async def train(stores: Stores) -> None:
        await started(stores, idle, trained_in, done)
        await stores.sessions.log(ATHLETE, idle.session_id, [SQUAT], WINDOWS)
        await completed(stores, done)

    async def go_on(stores: Stores) -> None:
        await stores.sessions.log(ATHLETE, trained_in.session_id, [SQUAT], WINDOWS)
        await started(stores, young)

    async def sweep(stores: Stores) -> tuple[int, list[Status]]:
        given_up = await stores.sessions.abandon_idle(timedelta(hours=48), 10)
        page = await stores.sessions.page(ATHLETE, 10, None)
        of = {summary.session_id: summary.status for summary in page}
        return given_up, [of[each.session_id] for each in (idle, trained_in, young, done)]

    with_stores(database_url, train)
    move_back(database_url, "started_time", timedelta(hours=49))
    execute(database_url, "UPDATE session.workout_sets SET updated_time = updated_time - interval '49 hours'")
    with_stores(database_url, go_on)
    after = [Status.ABANDONED, Status.IN_PROGRESS, Status.IN_PROGRESS, Status.COMPLETED]
    assert with_stores(database_url, sweep) == (1, after)
    assert with_stores(database_url, sweep) == (0, after)


def test_no_more_sessions_are_given_up_at_a_time_than_asked_for(database_url: str) -> None:
    sessions = [new_session(number) for number in range(1, 8)]

    async def body(stores: Stores) -> None:
        await started(stores, *sessions)
        assert [await stores.sessions.abandon_idle(timedelta(hours=48), 3) for _ in range(4)] == [3, 3, 1, 0]

    with_stores(database_url, body)


# Lists.


def test_a_list_may_hold_only_sessions_of_one_status(database_url: str) -> None:
    sessions = [new_session(number, started=NOW + timedelta(hours=number)) for number in range(1, 5)]

    async def body(stores: Stores) -> None:
        await started(stores, *sessions)
        await completed(stores, sessions[1])
        await stores.sessions.abandon(ATHLETE, sessions[3].session_id)
        expected = {Status.COMPLETED: [2], Status.ABANDONED: [4], Status.IN_PROGRESS: [3, 1], None: [4, 3, 2, 1]}
        for status, numbers in expected.items():
            page = await stores.sessions.page(ATHLETE, 10, None, status)
            assert [summary.session_id for summary in page] == list(map(number_id, numbers))
        assert await stores.sessions.newest_open(ATHLETE) == number_id(3)
        assert await stores.sessions.newest_open(STRANGER) is None

    with_stores(database_url, body)


def test_pages_hold_every_session_once_newest_first(database_url: str) -> None:
    # Two were started at the same moment, so the id decides between them.
    hours = {1: 0, 2: 1, 3: 1, 4: 2, 5: 3}
    sessions = [new_session(number, started=NOW + timedelta(hours=hour)) for number, hour in hours.items()]

    async def body(stores: Stores) -> None:
        await started(stores, *sessions, new_session(9, athlete_id=STRANGER))
        await completed(stores, sessions[3])
        for size in (1, 2, 5, 100):
            found: list[SessionSummary] = []
            before = None
            while page := await stores.sessions.page(ATHLETE, size, before):
                assert len(page) <= size
                found += page
                before = (page[-1].started_time, page[-1].session_id)
            assert [summary.session_id for summary in found] == [number_id(number) for number in (5, 4, 3, 2, 1)]
        assert [summary.status for summary in found] == [
            Status.COMPLETED if summary.session_id == number_id(4) else Status.IN_PROGRESS for summary in found
        ]
        plan = sessions[0].plan
        assert {(s.state, s.archetype, s.anchor_pattern) for s in found} == {
            (plan.state, plan.archetype, plan.anchor_pattern)
        }

    with_stores(database_url, body)


def test_a_session_that_is_started_meanwhile_does_not_shift_the_next_page(database_url: str) -> None:
    sessions = [new_session(number, started=NOW + timedelta(hours=number)) for number in range(1, 6)]

    async def body(stores: Stores) -> None:
        await started(stores, *sessions[:4])
        first = await stores.sessions.page(ATHLETE, 2, None)
        await started(stores, sessions[4])
        second = await stores.sessions.page(ATHLETE, 2, (first[-1].started_time, first[-1].session_id))
        assert [summary.session_id for summary in first + second] == [number_id(number) for number in (4, 3, 2, 1)]

    with_stores(database_url, body)

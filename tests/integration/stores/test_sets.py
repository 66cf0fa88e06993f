"""Sets: which one is kept, in whatever order they come, and until when they may."""

import asyncio
import time
import uuid
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import permutations
from typing import Any

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.session import Completion, Event, Notes, Session, SessionClosed, SessionNotFound
from gateway.domain.sets import UNPLANNED, LoggedSet, StoredSet, newest_only
from gateway.store import SessionStore
from shared.db import AsyncDatabase
from tests.conftest import behind_walls, told_pooler
from tests.integration.service_helpers import (
    ATHLETE,
    Stores,
    execute,
    listening_services,
    move_back,
    new_session,
    settle_by_rules,
    use_cases,
    with_stores,
)
from tests.integration.stores.helpers import FEW, LATE, SQUAT, WINDOWS, completed, started


def logging(database_url: str, *batches: Sequence[LoggedSet]) -> dict[tuple[str, int], LoggedSet]:
    """What is kept after batches were logged one after the other into a session of their own."""
    session = replace(new_session(), session_id=uuid.uuid4())

    async def body(stores: Stores) -> dict[tuple[str, int], LoggedSet]:
        await started(stores, session)
        for batch in batches:
            await stores.sessions.log(ATHLETE, session.session_id, newest_only(batch), WINDOWS)
        kept = await stores.sessions.sets(ATHLETE, session.session_id)
        return {stored.logged.key: stored.logged for stored in kept}

    return with_stores(database_url, body)


def test_a_set_is_kept_to_the_gram_and_the_letter(database_url: str) -> None:
    full = LoggedSet(
        "Back Squat",
        99,
        weight_kg=Decimal("1000.00"),
        reps=1000,
        seconds=86_400,
        is_warmup=True,
        is_benchmark=True,
        metadata={"rpe": 8.5, "belt": True, "note": "Größe ½ 💪 \"'\\"},
        client_rev=2**31 - 1,
        device_id="phone-1",
    )
    bare = LoggedSet("Chin Up", 0, weight_kg=Decimal("0.01"), metadata={})
    assert logging(database_url, [full, bare]) == {full.key: full, bare.key: bare}


def test_a_set_counts_for_the_slot_that_the_plan_gives_its_exercise(database_url: str) -> None:
    session = new_session()

    async def body(stores: Stores) -> None:
        await started(stores, session)
        logged = [LoggedSet("Trap Bar Deadlift", 0), SQUAT, LoggedSet("Assault Bike", 0), replace(SQUAT, set_index=1)]
        await stores.sessions.log(ATHLETE, session.session_id, logged, WINDOWS)
        kept = await stores.sessions.sets(ATHLETE, session.session_id)
        assert [(stored.slot, stored.logged.key) for stored in kept] == [
            ("CONDITIONING", ("Assault Bike", 0)),
            ("SQUAT:MAIN", ("Back Squat", 0)),
            ("SQUAT:MAIN", ("Back Squat", 1)),
            (UNPLANNED, ("Trap Bar Deadlift", 0)),
        ]

    with_stores(database_url, body)


def test_without_revision_the_last_to_arrive_wins(database_url: str) -> None:
    first, second = replace(SQUAT, reps=8, device_id="z"), replace(SQUAT, reps=3, weight_kg=None, device_id="a")
    assert logging(database_url, [first], [second]) == {SQUAT.key: replace(second)}
    assert logging(database_url, [second, first])[SQUAT.key].reps == 8


def test_with_revision_the_highest_wins_and_devices_break_ties(database_url: str) -> None:
    def sent(rev: int, device: str, reps: int) -> list[LoggedSet]:
        return [replace(SQUAT, client_rev=rev, device_id=device, reps=reps)]

    assert logging(database_url, sent(2, "a", 1), sent(1, "z", 2))[SQUAT.key].reps == 1
    assert logging(database_url, sent(1, "b", 1), sent(1, "a", 2))[SQUAT.key].reps == 1
    assert logging(database_url, sent(1, "a", 1), sent(1, "b", 2))[SQUAT.key].reps == 2
    assert logging(database_url, sent(1, "a", 1), sent(1, "a", 2))[SQUAT.key].reps == 2


def test_a_set_without_revision_replaces_but_older_revisions_stay_older(database_url: str) -> None:
    ruled, plain = replace(SQUAT, client_rev=5, reps=5), replace(SQUAT, reps=6)
    stale, newer = replace(SQUAT, client_rev=4, reps=4), replace(SQUAT, client_rev=6, reps=7)
    assert logging(database_url, [ruled], [plain])[SQUAT.key] == replace(plain, client_rev=5)
    assert logging(database_url, [ruled], [plain], [stale])[SQUAT.key].reps == 6
    assert logging(database_url, [ruled], [plain], [newer])[SQUAT.key].reps == 7


REVISIONS = st.tuples(st.integers(0, 3), st.sampled_from(["", "A", "B-2", "Z", "a", "b", "phone"]))


@FEW
@given(data=st.data())
def test_sets_with_revisions_converge_whatever_the_order_and_however_they_are_batched(
    database_url: str, data: st.DataObject
) -> None:
    revisions = data.draw(st.lists(REVISIONS, min_size=1, max_size=6, unique=True))
    sent = [
        replace(SQUAT, set_index=index % 2, reps=index, client_rev=rev, device_id=device)
        for index, (rev, device) in enumerate(revisions)
    ]
    arrivals = data.draw(st.permutations(sent + data.draw(st.lists(st.sampled_from(sent), max_size=3))))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(arrivals)), max_size=3)))
    batches = [arrivals[a:b] for a, b in zip([0, *cuts], [*cuts, len(arrivals)], strict=True)]
    kept = logging(database_url, *filter(None, batches))
    assert kept == {
        key: max((each for each in sent if each.key == key), key=lambda each: (each.client_rev, each.device_id))
        for key in {each.key for each in sent}
    }


@FEW
@given(st.lists(st.tuples(st.none() | st.integers(0, 3), st.sampled_from(["", "A", "b"])), min_size=1, max_size=6))
def test_sets_in_one_request_end_as_if_they_had_come_one_after_the_other(
    database_url: str, revisions: list[tuple[int | None, str]]
) -> None:
    sent = [
        replace(SQUAT, reps=index, client_rev=rev, device_id=device) for index, (rev, device) in enumerate(revisions)
    ]
    assert logging(database_url, sent) == logging(database_url, *([each] for each in sent))


def test_concurrent_sets_converge_too(database_url: str) -> None:
    session = new_session()
    sent = [replace(SQUAT, client_rev=rev, reps=rev) for rev in range(20)]

    async def body(stores: Stores) -> None:
        await started(stores, session)
        await asyncio.gather(
            *(stores.sessions.log(ATHLETE, session.session_id, [each], WINDOWS) for each in sent[::-1])
        )
        (kept,) = await stores.sessions.sets(ATHLETE, session.session_id)
        assert kept.logged == sent[-1]

    with_stores(database_url, body)


def test_sets_are_logged_as_a_whole_or_not_at_all(database_url: str) -> None:
    session = new_session()

    async def body(stores: Stores) -> None:
        await started(stores, session)
        with pytest.raises(Exception, match="reps"):
            await stores.sessions.log(
                ATHLETE, session.session_id, [SQUAT, replace(SQUAT, set_index=1, reps=1001)], WINDOWS
            )
        assert await stores.sessions.sets(ATHLETE, session.session_id) == []

    with_stores(database_url, body)


def test_sets_may_be_corrected_for_a_while_after_completion(database_url: str) -> None:
    session = new_session()

    async def complete(stores: Stores) -> Any:
        await started(stores, session)
        return await completed(stores, session, SQUAT)

    async def correct(stores: Stores) -> list[Any]:
        await stores.sessions.log(ATHLETE, session.session_id, [replace(SQUAT, reps=6)], WINDOWS)
        return await stores.sessions.sets(ATHLETE, session.session_id)

    done, _ = with_stores(database_url, complete)
    move_back(database_url, "completed_time", WINDOWS.correction - timedelta(minutes=30))
    (kept,) = with_stores(database_url, correct)
    assert kept.logged.reps == 6
    assert kept.updated_time > done.completed_time
    move_back(database_url, "completed_time", timedelta(minutes=31))
    with pytest.raises(SessionClosed) as raised:
        with_stores(database_url, correct)
    assert raised.value.metadata == {"window_hours": "24"}


def test_a_set_that_is_older_than_the_one_kept_is_no_error(database_url: str) -> None:
    newer, older = replace(SQUAT, client_rev=2, reps=2), replace(SQUAT, client_rev=1, reps=1)
    assert logging(database_url, [newer], [older]) == {SQUAT.key: newer}


def test_sets_may_be_logged_into_an_abandoned_session_until_it_can_no_longer_be_completed(database_url: str) -> None:
    session = new_session(started=datetime.now(UTC))

    async def give_up(stores: Stores) -> None:
        await started(stores, session)
        await stores.sessions.abandon(ATHLETE, session.session_id)

    async def log(stores: Stores) -> None:
        with ExitStack() as others:
            targets = others.enter_context(listening_services(database_url))
            async with use_cases(stores, database_url, targets) as (sessions, _):
                others.close()  # what was given up needs none of them
                await sessions.log(ATHLETE, session.session_id, [SQUAT])

    with_stores(database_url, give_up)
    with_stores(database_url, log)
    move_back(database_url, "started_time", LATE + timedelta(minutes=1))
    with pytest.raises(SessionClosed):
        with_stores(database_url, log)


def test_sets_that_meet_a_completion_wait_for_it_and_know_of_it(database_url: str) -> None:
    session = new_session()

    async def body(stores: Stores) -> None:
        await started(stores, session)
        at_work, go_on = asyncio.Event(), asyncio.Event()

        async def settle_slowly(
            completing: Session, sets: Sequence[StoredSet], number: int, now: datetime
        ) -> tuple[Completion, tuple[Event, ...]]:
            at_work.set()
            await go_on.wait()
            return await settle_by_rules(completing, sets, number, now)

        completing = asyncio.create_task(
            stores.sessions.complete(ATHLETE, session.session_id, [], Notes(), settle_slowly)
        )
        await at_work.wait()
        logging_late = asyncio.create_task(stores.sessions.log(ATHLETE, session.session_id, [SQUAT], WINDOWS))
        await asyncio.to_thread(until_waiting, database_url, 1)
        go_on.set()
        done, _ = await completing
        (kept,), completed_time = await logging_late
        assert (kept.logged.key, completed_time) == (SQUAT.key, done.completed_time)

    with_stores(database_url, body)


def until_waiting(database_url: str, count: int) -> None:
    """Returns once so many statements wait for a lock of the database."""
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    while execute(database_url, waiting) != [(count,)]:
        time.sleep(0.02)


def test_gateways_that_log_the_same_sets_in_opposite_orders_do_not_wait_for_each_other_for_ever(
    database_url: str,
) -> None:
    session = new_session()
    one_order = [replace(SQUAT, set_index=index) for index in range(3)]

    async def body(stores: Stores) -> None:
        await started(stores, session)
        await stores.sessions.log(ATHLETE, session.session_id, one_order, WINDOWS)
        other = AsyncDatabase(behind_walls(database_url), pooler=told_pooler())
        with psycopg.connect(database_url) as holding:
            # Each statement has to stop at the set in the middle.
            holding.execute("SELECT 1 FROM session.workout_sets WHERE set_index = 1 FOR UPDATE")
            logging_them = []
            gateways = ((stores.sessions, one_order), (SessionStore(other), one_order[::-1]))
            for count, (gateway, order) in enumerate(gateways, start=1):
                logging_it = gateway.log(ATHLETE, session.session_id, order, WINDOWS)
                logging_them.append(asyncio.create_task(logging_it))
                await asyncio.to_thread(until_waiting, database_url, count)
        for kept, _ in await asyncio.gather(*logging_them):
            assert {stored.logged.key for stored in kept} == {one.key for one in one_order}
        await other.close()

    with_stores(database_url, body)


def test_athletes_who_log_at_the_same_moment_each_hear_of_their_own(database_url: str) -> None:
    sessions = [replace(new_session(), athlete_id=uuid.uuid4(), session_id=uuid.uuid4()) for _ in range(5)]
    asked = [(session, replace(SQUAT, reps=reps)) for reps, session in enumerate(sessions, start=1)]

    async def body(stores: Stores) -> None:
        for session in sessions:
            await started(stores, session)
        log = stores.sessions.log
        known = [log(session.athlete_id, session.session_id, [squat], WINDOWS) for session, squat in asked]
        unknown = log(ATHLETE, sessions[0].session_id, [SQUAT], WINDOWS)
        *kept, refused = await asyncio.gather(*known, unknown, return_exceptions=True)
        assert isinstance(refused, SessionNotFound)
        for answer, (session, squat) in zip(kept, asked, strict=True):
            assert not isinstance(answer, BaseException)
            assert [stored.logged for stored in answer[0]] == [squat]
            assert await stores.sessions.sets(session.athlete_id, session.session_id) == answer[0]

    with_stores(database_url, body)


@FEW
@given(
    batches=st.lists(
        st.lists(st.tuples(st.integers(0, 2), st.integers(0, 3), st.integers(0, 9)), min_size=1, max_size=3),
        min_size=2,
        max_size=5,
    )
)
def test_devices_that_log_at_the_same_moment_are_heard_one_after_the_other(
    database_url: str, batches: list[list[tuple[int, int, int]]]
) -> None:
    said = [
        newest_only(replace(SQUAT, set_index=index, client_rev=rev, reps=reps) for index, rev, reps in batch)
        for batch in batches
    ]
    session = replace(new_session(), session_id=uuid.uuid4())

    async def body(stores: Stores) -> dict[tuple[str, int], LoggedSet]:
        await started(stores, session)
        calls = (stores.sessions.log(ATHLETE, session.session_id, batch, WINDOWS) for batch in said)
        await asyncio.gather(*calls)
        kept = await stores.sessions.sets(ATHLETE, session.session_id)
        return {stored.logged.key: stored.logged for stored in kept}

    assert with_stores(database_url, body) == logging(database_url, *said)


def test_a_completion_under_way_makes_nobody_else_wait(database_url: str) -> None:
    held, free = (replace(new_session(), session_id=uuid.uuid4()) for _ in range(2))

    async def body(stores: Stores) -> None:
        for session in (held, free):
            await started(stores, session)
        with psycopg.connect(database_url) as completing:
            completing.execute("SELECT 1 FROM session.sessions WHERE session_id = %s FOR UPDATE", [held.session_id])
            waiting, done = (
                asyncio.create_task(stores.sessions.log(ATHLETE, session.session_id, [SQUAT], WINDOWS))
                for session in (held, free)
            )
            await done
            assert not waiting.done()
        await waiting

    with_stores(database_url, body)


def test_a_set_that_was_deleted_is_not_brought_back_by_an_older_revision(database_url: str) -> None:
    first, deleted = replace(SQUAT, client_rev=1), replace(SQUAT, client_rev=2, is_deleted=True)
    again = replace(SQUAT, client_rev=3, reps=4)
    for arrivals in permutations([first, deleted]):
        assert logging(database_url, *([each] for each in arrivals)) == {SQUAT.key: deleted}
    for arrivals in permutations([first, deleted, again]):
        assert logging(database_url, *([each] for each in arrivals)) == {SQUAT.key: again}

"""The stores on a real database: what is kept, what is refused, and what happens when several come at once."""

import asyncio
import time
import uuid
from collections.abc import Awaitable, Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from itertools import permutations
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import conditioning_svc.domain as conditioning
import debt_svc.domain as debt
import gateway.app
import gateway.tables
import readiness_svc.domain as readiness
from conditioning_svc.rules import ConditioningRules, Protocol
from conditioning_svc.store import ProfileStore
from debt_svc.store import LedgerStore
from gateway.athletes import Athletes
from gateway.clients import Services
from gateway.domain.inputs import Inputs
from gateway.domain.overlay import Overlay
from gateway.domain.plan import Plan
from gateway.domain.plan import Protocol as PlannedProtocol
from gateway.domain.session import (
    BenchmarkMeasured,
    CheckInRecorded,
    Completion,
    Delivery,
    Event,
    LevelCompleted,
    LevelFailed,
    Notes,
    Session,
    SessionClosed,
    SessionCompleted,
    SessionNotFound,
    SessionSummary,
    Status,
    TrainingRecorded,
    Verdict,
    Windows,
)
from gateway.domain.sets import UNPLANNED, LoggedSet, StoredSet, newest_only
from gateway.outbox import FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS, put
from gateway.overlays import Overlays
from gateway.relay import Relay
from gateway.rulesets import Rulesets
from gateway.rulesets_store import RulesetStore
from gateway.sessions import Sessions
from gateway.standings import Standings
from readiness_svc.rules import State
from readiness_svc.store import CheckInStore
from shared.clock import SystemClock
from shared.db import AsyncDatabase, Database
from shared.errors import DependencyUnavailable, FluxError
from shared.rpc.status import as_status
from shared.rules_loader import load_text
from shared.rules_shelf import RulesShelf
from shared.settings import PeerSettings
from tests.conftest import behind_walls
from tests.integration import service_helpers
from tests.integration.service_helpers import (
    ATHLETE,
    CONDITIONING,
    DEBT,
    NOW,
    SESSION,
    STRANGER,
    Stores,
    check_in_event,
    execute,
    listening_services,
    move_back,
    new_session,
    number_id,
    settle_by_rules,
    with_stores,
)

WINDOWS = Windows.of(SESSION.rules.evidence)
FIRST_PAUSE = timedelta(seconds=FIRST_PAUSE_SECONDS)
LONGEST_PAUSE = timedelta(seconds=LONGEST_PAUSE_SECONDS)
LATE = timedelta(days=SESSION.rules.evidence.late_completion_days)
SQUAT = LoggedSet("Back Squat", 0, weight_kg=Decimal("82.50"), reps=5, metadata={"rpe": 8.5})
FEW = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


module_database_url = service_helpers.module_database_url
database_url = service_helpers.emptied_database_url


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = Database(behind_walls(database_url))
    yield database
    database.close()


# Ledgers.


def training(
    number: int, slots: Sequence[str] = ("SQUAT",), *, athlete: UUID = ATHLETE, event: int | None = None
) -> debt.TrainingEvent:
    return debt.TrainingEvent(
        number_id(number if event is None else event),
        athlete,
        number_id(100 + number),
        number,
        tuple(slots),
        NOW + timedelta(days=number),
    )


def test_a_ledger_is_empty_until_something_is_recorded(database: Database) -> None:
    store = LedgerStore(database)
    store.record([training(1, athlete=STRANGER)])
    assert store.ledgers([ATHLETE, ATHLETE]) == {ATHLETE: debt.Ledger()}
    assert store.ledgers([]) == {}


@FEW
@given(data=st.data())
def test_a_ledger_is_what_the_history_adds_up_to(database: Database, data: st.DataObject) -> None:
    athlete = uuid.uuid4()
    some_slots = st.lists(st.sampled_from(["SQUAT", "PUSH", "CORE:SAGITTAL"]), unique=True)
    history = [
        replace(training(number, slots, athlete=athlete), event_id=uuid.uuid4())
        for number, slots in enumerate(data.draw(st.lists(some_slots, min_size=1, max_size=5)), start=1)
    ]
    arrivals = data.draw(st.lists(st.sampled_from(history), min_size=1, max_size=10))
    cut = data.draw(st.integers(0, len(arrivals)))
    store = LedgerStore(database)
    for batch in filter(None, (arrivals[:cut], arrivals[cut:])):
        store.record(batch)
    assert store.ledgers([athlete])[athlete] == debt.replay(arrivals)


def test_a_batch_of_training_is_recorded_as_a_whole_or_not_at_all(database: Database, database_url: str) -> None:
    store = LedgerStore(database)
    with pytest.raises(Exception, match="session_number"):
        store.record([training(1), training(2), training(0, event=3)])
    assert store.ledgers([ATHLETE])[ATHLETE] == debt.Ledger()
    assert execute(database_url, "SELECT count(*) FROM debt.inbox") == [(0,)]


def test_concurrent_deliveries_of_the_same_training_count_once(database: Database, database_url: str) -> None:
    store = LedgerStore(database)
    history = [training(number) for number in range(1, 6)]
    with ThreadPoolExecutor(4) as threads:
        for done in [threads.submit(store.record, history) for _ in range(4)]:
            done.result()
    assert store.ledgers([ATHLETE])[ATHLETE] == debt.replay(history)
    assert execute(database_url, "SELECT count(*) FROM debt.inbox") == [(5,)]


# Profiles.


def level(number: int, protocol: Protocol, planned: int) -> conditioning.ConditioningEvent:
    done = conditioning.LevelCompleted(protocol, planned, 0)
    return conditioning.ConditioningEvent(
        number_id(number), ATHLETE, number_id(100 + number), NOW + timedelta(days=number), done
    )


def benchmark(number: int, watts: int) -> conditioning.ConditioningEvent:
    trial = conditioning.BenchmarkMeasured(Protocol.HIIT, "Assault Bike", watts)
    return conditioning.ConditioningEvent(
        number_id(number), ATHLETE, number_id(100 + number), NOW + timedelta(days=number), trial
    )


def by_classic(
    *events: conditioning.ConditioningEvent,
) -> list[tuple[conditioning.ConditioningEvent, ConditioningRules]]:
    """Events of sessions that were planned by the shipped rules."""
    return [(event, CONDITIONING.rules) for event in events]


def test_a_profile_is_empty_until_something_is_recorded(database: Database) -> None:
    store = ProfileStore(database)
    assert store.profiles([STRANGER]) == {STRANGER: conditioning.Profile()}
    assert store.profiles([]) == {}


def test_a_profile_holds_levels_and_the_benchmark_in_force(database: Database) -> None:
    store = ProfileStore(database)
    store.record(by_classic(level(1, Protocol.SIT, 2), benchmark(2, 250), benchmark(3, 260)))
    profile = store.profiles([ATHLETE])[ATHLETE]
    assert profile.standings == {Protocol.SIT: conditioning.Standing(3, 0, NOW + timedelta(days=1))}
    assert profile.benchmarks == {
        (Protocol.HIIT, "Assault Bike"): conditioning.Benchmark(260, NOW + timedelta(days=3), number_id(103))
    }


def test_the_history_holds_every_benchmark_once_and_one_in_force_for_each_ladder_and_machine(
    database: Database,
) -> None:
    store = ProfileStore(database)
    kinds = [(Protocol.HIIT, "Assault Bike"), (Protocol.SIT, "Assault Bike"), (Protocol.HIIT, "Rower")]
    store.record(
        by_classic(
            *(
                replace(benchmark(number, 200), effect=conditioning.BenchmarkMeasured(*kinds[number % 3], 200))
                for number in (5, 1, 8, 3, 7, 2, 6, 4)
            )
        )
    )
    store.record(by_classic(replace(benchmark(9, 300), athlete_id=STRANGER)))
    everything = store.history(ATHLETE, 100, None)
    assert [one.benchmark.session_id for one in everything] == [number_id(100 + n) for n in range(8, 0, -1)]
    assert [one.in_force for one in everything] == [True] * 3 + [False] * 5
    for begin, one in enumerate(everything):
        place = one.benchmark.measured_time, one.benchmark.session_id
        assert store.history(ATHLETE, 3, place) == everything[begin : begin + 3]


@FEW
@given(data=st.data())
def test_failures_are_kept_as_history_adds_them_up_whatever_the_order(database: Database, data: st.DataObject) -> None:
    athlete_id = uuid.uuid4()
    effects = st.builds(
        conditioning.LevelFailed, st.just(Protocol.HIIT), st.integers(1, 2), st.integers(0, 1)
    ) | st.builds(conditioning.LevelCompleted, st.just(Protocol.HIIT), st.integers(1, 7), st.just(0))
    days = st.integers(0, 9)
    events = [
        conditioning.ConditioningEvent(uuid.uuid4(), athlete_id, number_id(day), NOW + timedelta(days=day), effect)
        for effect, day in data.draw(st.lists(st.tuples(effects, days), max_size=12))
    ]
    store = ProfileStore(database)
    repeated = [*events, *data.draw(st.lists(st.sampled_from(events)) if events else st.just([]))]
    for event in data.draw(st.permutations(repeated)):
        store.record(by_classic(event))
    kept, expected = store.profiles([athlete_id])[athlete_id], conditioning.Profile()
    for event in sorted(events, key=lambda one: one.completed_time):
        expected = conditioning.apply(expected, event, CONDITIONING.rules)
    assert (kept.failures, kept.standings) == (expected.failures, expected.standings)


def test_a_benchmark_says_where_it_comes_from(database: Database) -> None:
    store, source = ProfileStore(database), conditioning.BenchmarkSource
    by_hand = conditioning.BenchmarkMeasured(Protocol.HIIT, "Assault Bike", 260, source.MANUAL)
    store.record(by_classic(benchmark(1, 250), replace(benchmark(2, 260), effect=by_hand)))
    assert [one.source for one in store.history(ATHLETE, 2, None)] == [source.MANUAL, source.TIME_TRIAL]


def test_a_batch_of_conditioning_is_recorded_as_a_whole_or_not_at_all(database: Database, database_url: str) -> None:
    store = ProfileStore(database)
    with pytest.raises(Exception, match="average_watts"):
        store.record(by_classic(level(1, Protocol.SIT, 1), benchmark(2, 0)))
    assert store.profiles([ATHLETE])[ATHLETE] == conditioning.Profile()
    assert execute(database_url, "SELECT count(*) FROM conditioning.inbox") == [(0,)]


# Check-ins.


def check_in(number: int, energy: int = 10) -> readiness.RecordedCheckIn:
    return readiness.RecordedCheckIn(
        number_id(number),
        ATHLETE,
        number_id(100 + number),
        {"knee_pain": 0, "energy": energy},
        State.GREEN,
        NOW + timedelta(days=number),
    )


def test_check_ins_are_kept_as_a_whole_or_not_at_all(database: Database, database_url: str) -> None:
    store = CheckInStore(database)
    with pytest.raises(Exception, match="energy"):
        store.record([check_in(1), check_in(2, energy=11)])
    assert execute(database_url, "SELECT count(*) FROM readiness.check_ins") == [(0,)]
    store.record([check_in(1), check_in(2), check_in(1)])
    store.record([check_in(2)])
    assert execute(database_url, "SELECT event_id FROM readiness.check_ins ORDER BY event_id") == [
        (number_id(1),),
        (number_id(2),),
    ]


# Batches that meet may wait for each other in one direction only: then one comes after the other and none is refused.


@contextmanager
def taken(database_url: str, table: str, columns: str, *event_ids: UUID) -> Iterator[Callable[[], None]]:
    """Keeps these events from being received, until the function is called that is yielded."""
    with psycopg.connect(database_url) as taker:
        for event_id in event_ids:
            taker.execute(f"INSERT INTO {table} SELECT %s, {columns}".encode(), [event_id])
        yield taker.rollback


def until_blocked(database_url: str, *running: Future[None]) -> None:
    """Returns once all of these wait for a lock of the database."""
    with psycopg.connect(database_url, autocommit=True) as watcher:
        blocked = (-1,)
        while blocked != (len(running),):
            assert not any(future.done() for future in running)
            row = watcher.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
            ).fetchone()
            assert row is not None
            blocked = row


def errors(*running: Future[None]) -> list[BaseException | None]:
    return [future.exception() for future in running]


def test_batches_of_conditioning_for_one_athlete_do_not_block_each_other(database: Database, database_url: str) -> None:
    store = ProfileStore(database)
    batches = [
        [level(1, Protocol.HIIT, 1), level(3, Protocol.SIT, 1)],
        [level(2, Protocol.SIT, 1), level(4, Protocol.HIIT, 1)],
    ]
    row = "gen_random_uuid(), gen_random_uuid(), 'HIIT', 1, 0, NULL, now(), now()"
    # Each batch is stopped between its two events.
    with (
        ThreadPoolExecutor(2) as threads,
        taken(database_url, "conditioning.inbox", row, number_id(3), number_id(4)) as release,
    ):
        running = [threads.submit(store.record, by_classic(*batch)) for batch in batches]
        until_blocked(database_url, *running)
        release()
        assert errors(*running) == [None, None]
    assert {s.level for s in store.profiles([ATHLETE])[ATHLETE].standings.values()} == {2}


def test_batches_of_training_that_share_an_event_do_not_block_each_other(database: Database, database_url: str) -> None:
    store = LedgerStore(database)
    history = [training(1), training(2), training(3)]
    row = "gen_random_uuid(), gen_random_uuid(), 1, '{}', now(), now()"
    # The first batch is stopped between its events, and the second one has the last of them.
    with ThreadPoolExecutor(2) as threads, taken(database_url, "debt.inbox", row, number_id(2)) as release:
        first = threads.submit(store.record, history)
        until_blocked(database_url, first)
        second = threads.submit(store.record, history[-1:])
        until_blocked(database_url, first, second)
        release()
        assert errors(first, second) == [None, None]
    assert store.ledgers([ATHLETE])[ATHLETE] == debt.replay(history)


def test_batches_of_check_ins_in_opposite_order_do_not_block_each_other(database: Database, database_url: str) -> None:
    store = CheckInStore(database)
    batches = [[check_in(1), check_in(5), check_in(2)], [check_in(2), check_in(6), check_in(1)]]
    row = "gen_random_uuid(), gen_random_uuid(), 0, 0, 'GREEN', now()"
    with (
        ThreadPoolExecutor(2) as threads,
        taken(database_url, "readiness.check_ins", row, number_id(5), number_id(6)) as release,
    ):
        running = [threads.submit(store.record, batch) for batch in batches]
        until_blocked(database_url, *running)
        release()
        assert errors(*running) == [None, None]
    assert execute(database_url, "SELECT count(*) FROM readiness.check_ins") == [(4,)]


# Sessions.


async def completed(stores: Stores, session: Session, *logged: LoggedSet, notes: Notes | None = None) -> Any:
    return await stores.sessions.complete(
        session.athlete_id, session.session_id, logged, notes or Notes(), settle_by_rules
    )


async def started(stores: Stores, *sessions: Session) -> None:
    for session in sessions:
        assert await stores.sessions.start(session, [check_in_event(session)]) is None


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


async def refused(call: Awaitable[object]) -> FluxError:
    with pytest.raises(FluxError) as raised:
        await call
    return raised.value


# Completion.


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


# Sets.


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


async def using(stores: Stores, database_url: str, body: Callable[[Sessions], Awaitable[object]]) -> None:
    """The use cases on these stores; the other services answered until the rules in force were known."""
    database = Database(behind_walls(database_url))
    with listening_services(database_url) as targets:
        services = Services(targets, time.monotonic, PeerSettings())
        shelf = RulesShelf(gateway.app.versions(), gateway.tables.rules, database)
        rulesets = Rulesets(RulesetStore(database), shelf, services)
        await rulesets.refresh()
    relay = Relay(stores.outbox, services)
    try:
        await body(
            Sessions(
                rulesets=rulesets,
                overlays=Overlays(stores.overlays, rulesets),
                services=services,
                standings=Standings(services, stores.outbox, relay),
                store=stores.sessions,
                outbox=stores.outbox,
                relay=relay,
                athletes=Athletes(stores.athletes, uuid.uuid4),
                clock=SystemClock(),
                new_id=uuid.uuid4,
            )
        )
    finally:
        await services.close()
        database.close()


def test_sets_may_be_logged_into_an_abandoned_session_until_it_can_no_longer_be_completed(database_url: str) -> None:
    session = new_session(started=datetime.now(UTC))

    async def give_up(stores: Stores) -> None:
        await started(stores, session)
        await stores.sessions.abandon(ATHLETE, session.session_id)

    async def log(stores: Stores) -> None:
        await using(stores, database_url, lambda sessions: sessions.log(ATHLETE, session.session_id, [SQUAT]))

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
        await asyncio.to_thread(until_one_waits, database_url)
        go_on.set()
        done, _ = await completing
        (kept,), completed_time = await logging_late
        assert (kept.logged.key, completed_time) == (SQUAT.key, done.completed_time)

    with_stores(database_url, body)


def until_one_waits(database_url: str) -> None:
    """Returns once a statement waits for a lock of the database."""
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    while execute(database_url, waiting) != [(1,)]:
        pass


def test_a_set_that_was_deleted_is_not_brought_back_by_an_older_revision(database_url: str) -> None:
    first, deleted = replace(SQUAT, client_rev=1), replace(SQUAT, client_rev=2, is_deleted=True)
    again = replace(SQUAT, client_rev=3, reps=4)
    for arrivals in permutations([first, deleted]):
        assert logging(database_url, *([each] for each in arrivals)) == {SQUAT.key: deleted}
    for arrivals in permutations([first, deleted, again]):
        assert logging(database_url, *([each] for each in arrivals)) == {SQUAT.key: again}


# Sessions that were left open.


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


# The outbox.


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

    async def together(stores: Stores) -> list[set[UUID]]:
        wanted = (ATHLETE, STRANGER, number_id(999), ATHLETE)
        return [ids(events) for events in await asyncio.gather(*map(stores.outbox.on_its_way, wanted))]

    found = with_events(database_url, [mine, theirs, check_in], together)
    assert found == [{mine.event_id}, {theirs.event_id}, set(), {mine.event_id}]


def test_athletes_who_are_asked_for_together_get_each_the_last_overlay_of_their_own(database_url: str) -> None:
    first, last, other = (
        load_text(f"disabled_patterns: [{pattern}]\n", Overlay, file="overlay.yaml")
        for pattern in ("SQUAT", "LUNGE", "HINGE")
    )
    cleared = number_id(998)

    async def together(stores: Stores) -> list[str | None]:
        for athlete_id, loaded in ((ATHLETE, first), (ATHLETE, last), (STRANGER, other), (cleared, first)):
            await stores.overlays.put(athlete_id, loaded, "coach", "")
        await stores.overlays.clear(cleared, "coach", "")
        wanted = (ATHLETE, STRANGER, cleared, number_id(999), ATHLETE)
        found = await asyncio.gather(*map(stores.overlays.in_force, wanted))
        return [None if one is None else one.content_hash for one in found]

    assert with_stores(database_url, together) == [last.content_hash, other.content_hash, None, None, last.content_hash]


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


# Bounds, once more where the data is.


def refuses(connection: psycopg.Connection[Any], statement: str) -> bool:
    try:
        with connection.transaction(force_rollback=True):
            connection.execute(statement.encode())
    except psycopg.errors.CheckViolation:
        return True
    return False


def set_with(**changes: str) -> str:
    values = {
        "slot": "'SQUAT:MAIN'",
        "exercise_name": "'Back Squat'",
        "set_index": "0",
        "weight_kg": "NULL",
        "reps": "NULL",
        "seconds": "NULL",
        "is_warmup": "false",
        "is_benchmark": "false",
        "metadata": "'{}'",
        "client_rev": "NULL",
        "device_id": "''",
        "updated_time": "now()",
    } | changes
    return (
        f"INSERT INTO session.workout_sets (athlete_id, session_id, {', '.join(values)})"  # noqa: S608 - our own words
        f" SELECT athlete_id, session_id, {', '.join(values.values())} FROM session.sessions"
    )


WITHIN_BOUNDS = [
    *(set_with(set_index=value) for value in ("0", "99")),
    *(set_with(weight_kg=value) for value in ("0", "0.01", "1000")),
    *(set_with(reps=value) for value in ("0", "1000")),
    *(set_with(seconds=value) for value in ("0", "86400")),
    set_with(client_rev="0"),
    "INSERT INTO readiness.check_ins"
    " SELECT gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), 10, 0, 'RED', now()",
    "INSERT INTO debt.athletes SELECT gen_random_uuid(), 0",
    "INSERT INTO conditioning.levels SELECT gen_random_uuid(), 'HIIT', 1, 0, now()",
]
OUT_OF_BOUNDS = [
    *(set_with(set_index=value) for value in ("-1", "100")),
    *(set_with(weight_kg=value) for value in ("-0.01", "1000.01", "'NaN'")),
    *(set_with(reps=value) for value in ("-1", "1001")),
    *(set_with(seconds=value) for value in ("-1", "86401")),
    *(set_with(exercise_name=value) for value in ("''", "repeat('x', 201)")),
    set_with(client_rev="-1"),
    "UPDATE session.sessions SET status = 'PAUSED'",
    "UPDATE session.sessions SET status = 'COMPLETED'",
    "UPDATE session.sessions SET completed_time = now()",
    "UPDATE session.sessions SET completion = '{}'",
    "UPDATE session.outbox SET delivery = 'LOST'",
    "INSERT INTO session.athletes SELECT gen_random_uuid(), -1",
    *(
        "INSERT INTO readiness.check_ins SELECT gen_random_uuid(), gen_random_uuid(), gen_random_uuid(),"
        f" {answers}, now()"
        for answers in ("-1, 0, 'RED'", "11, 0, 'RED'", "0, -1, 'RED'", "0, 11, 'RED'", "0, 0, 'BLUE'")
    ),
    "INSERT INTO debt.athletes SELECT gen_random_uuid(), -1",
    "INSERT INTO debt.slots SELECT gen_random_uuid(), 'SQUAT', 0, now()",
    "INSERT INTO debt.inbox SELECT gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), 0, '{}', now()",
    "INSERT INTO conditioning.levels SELECT gen_random_uuid(), 'HIIT', 0, 0, now()",
    "INSERT INTO conditioning.levels SELECT gen_random_uuid(), 'HIIT', 1, -1, now()",
    "INSERT INTO conditioning.benchmarks"
    " SELECT gen_random_uuid(), 'HIIT', 'Assault Bike', now(), gen_random_uuid(), 200, 'HEARSAY'",
    *(
        "INSERT INTO conditioning.benchmarks"
        f" SELECT gen_random_uuid(), 'HIIT', 'Assault Bike', now(), gen_random_uuid(), {watts}"
        for watts in (0, 2001)
    ),
]


def test_the_database_refuses_values_out_of_bounds(database_url: str) -> None:
    with_stores(database_url, lambda stores: started(stores, new_session()))
    with psycopg.connect(database_url, autocommit=True) as connection:
        assert [statement for statement in WITHIN_BOUNDS if refuses(connection, statement)] == []
        assert [statement for statement in OUT_OF_BOUNDS if not refuses(connection, statement)] == []


def test_a_set_without_its_session_cannot_be(database_url: str) -> None:
    statement = set_with().replace("SELECT athlete_id, session_id", "SELECT gen_random_uuid(), session_id")
    with_stores(database_url, lambda stores: started(stores, new_session()))
    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        execute(database_url, statement)


# When there is no database.


@pytest.fixture
def nowhere(tmp_path: Path) -> str:
    """URL of a database that is not there."""
    return f"postgresql://postgres@/flux?host={tmp_path / 'nothing'}"


def test_services_are_unavailable_without_a_database(nowhere: str) -> None:
    database = Database(nowhere)
    calls: list[Callable[[], object]] = [
        lambda: database.probe("SELECT 1"),
        lambda: LedgerStore(database).ledgers([ATHLETE]),
        lambda: LedgerStore(database).record([training(1)]),
        lambda: ProfileStore(database).profiles([ATHLETE]),
        lambda: ProfileStore(database).record(by_classic(level(1, Protocol.SIT, 1))),
        lambda: CheckInStore(database).record([check_in(1)]),
    ]
    for call in calls:
        with pytest.raises(DependencyUnavailable) as raised:
            call()
        assert raised.value.message == "the database does not answer; retry in a moment"
    database.close()


def test_the_gateway_is_unavailable_without_a_database(nowhere: str) -> None:
    session = new_session()

    async def body(stores: Stores) -> None:
        sessions, outbox, session_id = stores.sessions, stores.outbox, session.session_id
        calls: list[Callable[[], Awaitable[object]]] = [
            lambda: sessions.start(session, []),
            lambda: sessions.get(ATHLETE, session_id),
            lambda: sessions.sets(ATHLETE, session_id),
            lambda: sessions.page(ATHLETE, 10, None),
            lambda: sessions.log(ATHLETE, session_id, [SQUAT], WINDOWS),
            lambda: sessions.complete(ATHLETE, session_id, [], Notes(), settle_by_rules),
            lambda: sessions.abandon(ATHLETE, session_id),
            lambda: outbox.hold_due(1),
            lambda: outbox.settle([number_id(1)], Delivery.APPLIED),
            lambda: outbox.let_go([number_id(1)]),
            lambda: outbox.deliveries(ATHLETE, session_id),
        ]
        for call in calls:
            error = await refused(call())
            assert isinstance(error, DependencyUnavailable)
            assert error.message == "the database does not answer; retry in a moment"

    with_stores(nowhere, body)


def test_a_store_that_lost_its_connections_recovers(database: Database, database_url: str) -> None:
    store = LedgerStore(database)
    store.record([training(1)])
    ended = execute(
        database_url,
        "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()",
    )
    assert ended == [(True,)]
    with pytest.raises(DependencyUnavailable):
        store.ledgers([ATHLETE])
    assert store.ledgers([ATHLETE])[ATHLETE].completed_sessions == 1

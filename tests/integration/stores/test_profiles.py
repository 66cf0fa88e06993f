"""The profile of conditioning: levels, benchmarks and failures as the history adds them up."""

import uuid
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

import conditioning_svc.domain as conditioning
from conditioning_svc.rules import Protocol
from conditioning_svc.store import ProfileStore
from shared.db import Database
from tests.integration.service_helpers import ATHLETE, CONDITIONING, NOW, STRANGER, execute, number_id
from tests.integration.stores.helpers import FEW, by_classic, level


def benchmark(number: int, watts: int) -> conditioning.ConditioningEvent:
    trial = conditioning.BenchmarkMeasured(Protocol.HIIT, "Assault Bike", watts)
    return conditioning.ConditioningEvent(
        number_id(number), ATHLETE, number_id(100 + number), NOW + timedelta(days=number), trial
    )


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

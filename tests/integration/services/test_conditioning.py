"""The RPCs of conditioning."""

from datetime import timedelta
from itertools import permutations
from typing import cast
from uuid import UUID

import pytest
from flux.common.v1 import training_pb2
from flux.conditioning.v1 import conditioning_service_pb2 as conditioning_pb

import conditioning_svc.app
import conditioning_svc.domain
import conditioning_svc.store
from conditioning_svc.rules import ConditioningRules
from conditioning_svc.servicer import ConditioningServicer
from shared.rules_loader import Loaded
from tests.conftest import FixedClock
from tests.integration.service_helpers import ATHLETE, CONDITIONING, NOW, STRANGER, execute, invoke_refused, number_id
from tests.integration.services.helpers import GREEN, ORANGE, RED, Call, timestamp

HIIT, SIT, SS = (
    training_pb2.CONDITIONING_PROTOCOL_HIIT,
    training_pb2.CONDITIONING_PROTOCOL_SIT,
    training_pb2.CONDITIONING_PROTOCOL_SS,
)
BIKE = "Assault Bike"
EVIDENCE = conditioning_svc.app.versions().shipped[1]


def completed(
    number: int,
    protocol: int,
    planned_level: int,
    *,
    athlete: UUID = ATHLETE,
    days: float | None = None,
    epoch: int = 0,
) -> conditioning_pb.ConditioningEvent:
    return conditioning_pb.ConditioningEvent(
        event_id=str(number_id(number)),
        athlete_id=str(athlete),
        session_id=str(number_id(100 + number)),
        completed_time=timestamp(NOW + timedelta(days=number if days is None else days)),
        level_completed={"protocol": protocol, "planned_level": planned_level, "epoch": epoch},
    )


def measured(
    number: int, watts: int, *, athlete: UUID = ATHLETE, days: float | None = None, equipment: str = BIKE
) -> conditioning_pb.ConditioningEvent:
    return conditioning_pb.ConditioningEvent(
        event_id=str(number_id(number)),
        athlete_id=str(athlete),
        session_id=str(number_id(100 + number)),
        completed_time=timestamp(NOW + timedelta(days=number if days is None else days)),
        benchmark_measured={"protocol": HIIT, "equipment": equipment, "average_watts": watts},
    )


def record_conditioning(conditioning: Call, *events: conditioning_pb.ConditioningEvent) -> None:
    conditioning("BatchRecordConditioning", conditioning_pb.BatchRecordConditioningRequest(events=events))


def profiles(conditioning: Call, *athletes: UUID) -> list[conditioning_pb.ConditioningProfile]:
    request = conditioning_pb.BatchPrescribeRequest(athlete_ids=map(str, athletes))
    return list(conditioning("BatchPrescribe", request).profiles)


def levels(profile: conditioning_pb.ConditioningProfile) -> dict[int, int]:
    return {level.protocol: level.level for level in profile.levels}


def prescription(profile: conditioning_pb.ConditioningProfile, state: int) -> conditioning_pb.Prescription:
    (found,) = (each.prescription for each in profile.prescriptions if each.state == state)
    return found


def test_an_unknown_athlete_is_at_level_one_of_each_ladder(conditioning: Call) -> None:
    (profile,) = profiles(conditioning, ATHLETE)
    assert profile.athlete_id == str(ATHLETE)
    assert levels(profile) == {HIIT: 1, SIT: 1, SS: 1}
    assert [level.protocol for level in profile.levels] == [HIIT, SIT, SS]
    assert [level.is_progressive for level in profile.levels] == [True, True, False]
    assert not any(level.HasField("last_done_time") for level in profile.levels)
    assert not profile.benchmarks
    trial = prescription(profile, GREEN)
    assert (trial.protocol, trial.level, trial.effort) == (HIIT, 1, training_pb2.EFFORT_BENCHMARK)
    assert not trial.HasField("target_watts")
    assert prescription(profile, ORANGE).description == trial.description
    easy = prescription(profile, RED)
    assert (easy.protocol, easy.effort) == (SS, training_pb2.EFFORT_CONVERSATIONAL)


def test_profiles_come_in_the_order_of_the_request_even_twice(conditioning: Call) -> None:
    record_conditioning(conditioning, completed(1, SIT, 1, athlete=STRANGER))
    unknown = number_id(999)
    answers = profiles(conditioning, ATHLETE, STRANGER, unknown, STRANGER)
    assert [answer.athlete_id for answer in answers] == list(map(str, [ATHLETE, STRANGER, unknown, STRANGER]))
    assert [levels(answer)[SIT] for answer in answers] == [1, 2, 1, 2]
    assert answers[1] == answers[3]


def test_the_lowest_level_goes_first_and_then_the_one_done_longest_ago(conditioning: Call) -> None:
    record_conditioning(conditioning, completed(1, HIIT, 1))
    (profile,) = profiles(conditioning, ATHLETE)
    assert (levels(profile)[HIIT], prescription(profile, GREEN).protocol) == (2, SIT)
    record_conditioning(conditioning, completed(2, SIT, 1))
    (profile,) = profiles(conditioning, ATHLETE)
    assert prescription(profile, GREEN).protocol == HIIT
    assert [level.last_done_time.ToDatetime(NOW.tzinfo) for level in profile.levels[:2]] == [
        NOW + timedelta(days=1),
        NOW + timedelta(days=2),
    ]


def test_a_benchmark_scales_the_watts_from_its_time_on(conditioning: Call) -> None:
    record_conditioning(conditioning, completed(1, HIIT, 1), completed(2, SIT, 1))
    (without,) = profiles(conditioning, ATHLETE)
    assert prescription(without, GREEN).effort == training_pb2.EFFORT_ALL_OUT
    assert not prescription(without, GREEN).HasField("target_watts")
    record_conditioning(conditioning, measured(3, 251))
    (profile,) = profiles(conditioning, ATHLETE)
    work = prescription(profile, GREEN)
    assert (work.effort, work.target_watts) == (training_pb2.EFFORT_TARGET_WATTS, 301)
    (benchmark,) = profile.benchmarks
    assert (benchmark.protocol, benchmark.equipment, benchmark.average_watts) == (HIIT, BIKE, 251)
    assert benchmark.measured_time.ToDatetime(NOW.tzinfo) == NOW + timedelta(days=3)
    assert benchmark.session_id == str(number_id(103))


def test_the_newest_benchmark_is_in_force_whenever_it_arrives_and_none_is_overwritten(
    conditioning: Call, database_url: str
) -> None:
    record_conditioning(conditioning, measured(3, 300), measured(1, 200))
    record_conditioning(conditioning, measured(2, 400), measured(3, 300))
    (profile,) = profiles(conditioning, ATHLETE)
    assert [benchmark.average_watts for benchmark in profile.benchmarks] == [300]
    kept = execute(database_url, "SELECT average_watts FROM conditioning.benchmarks ORDER BY measured_time")
    assert kept == [(200,), (400,), (300,)]


def histories(
    conditioning: Call, *queries: tuple[UUID, int], days: int = 9, rules: str = ""
) -> list[list[conditioning_pb.BenchmarkRecord]]:
    request = conditioning_pb.BatchListBenchmarksRequest(
        queries=[conditioning_pb.BenchmarksQuery(athlete_id=str(athlete), limit=limit) for athlete, limit in queries],
        content_hash=rules,
        time=timestamp(NOW + timedelta(days=days)),
    )
    return [list(history.records) for history in conditioning("BatchListBenchmarks", request).histories]


def test_benchmarks_are_listed_in_the_order_of_the_request_even_twice(conditioning: Call) -> None:
    record_conditioning(conditioning, measured(1, 200), measured(2, 210), measured(3, 300, athlete=STRANGER))
    answers = histories(conditioning, (ATHLETE, 1), (STRANGER, 5), (number_id(999), 5), (ATHLETE, 5))
    watts = [[record.benchmark.average_watts for record in records] for records in answers]
    assert watts == [[210], [300], [], [210, 200]]
    assert [record.in_force for record in answers[3]] == [True, False]


def test_an_event_that_names_no_source_is_of_a_time_trial(conditioning: Call) -> None:
    by_hand = measured(2, 210)
    by_hand.benchmark_measured.source = training_pb2.BENCHMARK_SOURCE_MANUAL
    record_conditioning(conditioning, measured(1, 200), by_hand)
    ((newest, oldest),) = histories(conditioning, (ATHLETE, 2))
    assert newest.source == training_pb2.BENCHMARK_SOURCE_MANUAL
    assert oldest.source == training_pb2.BENCHMARK_SOURCE_TIME_TRIAL


def test_only_a_benchmark_in_force_is_to_be_measured_again_and_only_by_rules_that_let_it_go_stale(
    conditioning: Call,
) -> None:
    record_conditioning(conditioning, measured(1, 200), measured(2, 210))
    for rules, days, stale in ((EVIDENCE.content_hash, 57, False), (EVIDENCE.content_hash, 58, True), ("", 500, False)):
        ((newest, oldest),) = histories(conditioning, (ATHLETE, 2), days=days, rules=rules)
        assert bool(newest.retest_reason) == stale
        assert not oldest.retest_reason
    ((newest, _),) = histories(conditioning, (ATHLETE, 2), days=58, rules=EVIDENCE.content_hash)
    assert newest.retest_reason == (
        "The benchmark of 210 W is 56 days old, and from 56 days on it gives no number: all-out for the level; a "
        "re-test is due."
    )


def test_two_sessions_planned_at_one_level_move_it_by_one(conditioning: Call) -> None:
    record_conditioning(conditioning, completed(1, SIT, 1), completed(2, SIT, 1))
    record_conditioning(conditioning, completed(3, SIT, 1))
    (profile,) = profiles(conditioning, ATHLETE)
    assert levels(profile)[SIT] == 2


def test_a_level_holds_at_the_top_of_its_ladder(conditioning: Call) -> None:
    record_conditioning(conditioning, completed(1, HIIT, 7), completed(2, HIIT, 7), completed(3, SS, 1))
    (profile,) = profiles(conditioning, ATHLETE)
    assert levels(profile) == {HIIT: 7, SIT: 1, SS: 1}
    assert [level.top_level for level in profile.levels] == [7, 7, 1]


def test_any_order_and_any_repetition_of_events_leaves_the_same_profile(conditioning: Call) -> None:
    outcomes = set()
    for turn, order in enumerate(permutations(range(4))):
        athlete, first = number_id(10_000 + turn), 1000 * (turn + 1)
        events = [
            completed(first + 0, HIIT, 1, athlete=athlete, days=1),
            completed(first + 1, HIIT, 2, athlete=athlete, days=3),
            completed(first + 2, SIT, 1, athlete=athlete, days=2),
            measured(first + 3, 240, athlete=athlete, days=1),
        ]
        record_conditioning(conditioning, *(events[index] for index in order[:2]))
        record_conditioning(conditioning, *(events[index] for index in (*order[1:], order[0], order[0])))
        (profile,) = profiles(conditioning, athlete)
        profile.athlete_id = ""
        for benchmark in (*profile.benchmarks, *profile.facts.benchmarks):
            benchmark.session_id = ""
        outcomes.add(profile.SerializeToString(deterministic=True))
    assert len(outcomes) == 1
    assert levels(conditioning_pb.ConditioningProfile.FromString(outcomes.pop())) == {HIIT: 3, SIT: 2, SS: 1}


@pytest.mark.parametrize("other_epoch_first", [True, False])
def test_events_of_another_epoch_change_nothing(conditioning: Call, *, other_epoch_first: bool) -> None:
    events = [completed(1, HIIT, 4, epoch=1), completed(2, HIIT, 1)]
    for event in events if other_epoch_first else reversed(events):
        record_conditioning(conditioning, event)
    (profile,) = profiles(conditioning, ATHLETE)
    assert (levels(profile)[HIIT], profile.levels[0].epoch) == (2, 0)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (completed(2, SIT, 8), "SIT has levels 1 to 7, not 8"),
        (measured(2, 200, equipment="Rower"), "not on 'Rower'"),
    ],
)
def test_a_batch_with_an_unknown_level_or_machine_records_nothing(
    conditioning: Call,
    conditioning_servicer: ConditioningServicer,
    wrong: conditioning_pb.ConditioningEvent,
    says: str,
) -> None:
    request = conditioning_pb.BatchRecordConditioningRequest(events=[completed(1, HIIT, 1), wrong])
    service = conditioning_pb.DESCRIPTOR.services_by_name["ConditioningService"]
    assert says in invoke_refused(conditioning_servicer, service, "BatchRecordConditioning", request)
    (profile,) = profiles(conditioning, ATHLETE)
    assert levels(profile) == {HIIT: 1, SIT: 1, SS: 1}


@pytest.mark.parametrize("ruleset", [CONDITIONING, EVIDENCE], ids=["classic", "evidence"])
def test_assumed_work_is_prescribed_for_as_recorded_work_is_and_is_not_kept(
    conditioning: Call, clock: FixedClock, ruleset: Loaded[ConditioningRules]
) -> None:
    history = [
        *(completed(1, HIIT, 1, days=1), measured(2, 240, days=1), completed(3, SIT, 1, days=2)),
        *(completed(4, HIIT, 2, days=3), completed(5, SIT, 2, days=5), measured(6, 250, days=4)),
        *(completed(7, HIIT, 7, days=6), completed(8, HIIT, 3, days=6.5, epoch=1)),
    ]
    clock.advance(timedelta(days=7))

    def now() -> conditioning_pb.ConditioningProfile:
        request = conditioning_pb.BatchPrescribeRequest(athlete_ids=[str(ATHLETE)], content_hash=ruleset.content_hash)
        (profile,) = conditioning("BatchPrescribe", request).profiles
        return cast("conditioning_pb.ConditioningProfile", profile)

    for known, event in enumerate(history):
        before = now()
        told = conditioning_pb.ToldProfile(facts=before.facts, time=timestamp(clock.now()), assumed=[event])
        request = conditioning_pb.BatchPrescribeForRequest(profiles=[told], content_hash=ruleset.content_hash)
        (assumed,) = conditioning("BatchPrescribeFor", request).profiles
        assert now() == before, known
        record_conditioning(conditioning, event)
        recorded = now()
        recorded.athlete_id = ""
        if ruleset is CONDITIONING:
            # Work of the last days is not looked up where nothing limits it.
            del assumed.facts.recent[:]
        assert assumed == recorded, known


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (completed(2, SIT, 8), "SIT has levels 1 to 7, not 8"),
        (measured(2, 200, equipment="Rower"), "not on 'Rower'"),
    ],
)
def test_an_unknown_level_or_machine_cannot_be_assumed(
    conditioning_servicer: ConditioningServicer, wrong: conditioning_pb.ConditioningEvent, says: str
) -> None:
    told = conditioning_pb.ToldProfile(time=timestamp(NOW), assumed=[wrong])
    service = conditioning_pb.DESCRIPTOR.services_by_name["ConditioningService"]
    request = conditioning_pb.BatchPrescribeForRequest(profiles=[told])
    assert says in invoke_refused(conditioning_servicer, service, "BatchPrescribeFor", request)

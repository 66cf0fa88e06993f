"""The RPCs of the three services, each servicer on its real store and a clock that the test sets."""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from importlib.resources import files
from itertools import permutations
from typing import Any, cast
from uuid import UUID

import pytest
import yaml
from flux.common.v1 import training_pb2
from flux.conditioning.v1 import conditioning_service_pb2 as conditioning_pb
from flux.debt.v1 import debt_service_pb2 as debt_pb
from flux.readiness.v1 import readiness_service_pb2 as readiness_pb
from flux.rules.v1 import keeper_service_pb2 as keeper_pb
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

import conditioning_svc.app
import conditioning_svc.domain
import conditioning_svc.store
import debt_svc.app
import debt_svc.domain
import debt_svc.store
import readiness_svc.app
import readiness_svc.domain
import readiness_svc.store
from conditioning_svc.rules import ConditioningRules
from conditioning_svc.servicer import ConditioningServicer
from conditioning_svc.store import ProfileStore
from debt_svc.rules import DebtRules
from debt_svc.servicer import DebtServicer
from debt_svc.store import LedgerStore
from readiness_svc.rules import ReadinessRules
from readiness_svc.servicer import ReadinessServicer
from readiness_svc.store import CheckInStore
from shared.db import Database
from shared.rpc.rules_keeper import RulesKeeper
from shared.rules_loader import Loaded
from shared.rules_shelf import RulesShelf
from tests.conftest import FixedClock, behind_walls
from tests.integration import service_helpers
from tests.integration.service_helpers import (
    ATHLETE,
    CONDITIONING,
    DEBT,
    NOW,
    READINESS,
    STRANGER,
    execute,
    invoke,
    invoke_refused,
    number_id,
)

GREEN, ORANGE, RED = (
    training_pb2.READINESS_STATE_GREEN,
    training_pb2.READINESS_STATE_ORANGE,
    training_pb2.READINESS_STATE_RED,
)
HIIT, SIT, SS = (
    training_pb2.CONDITIONING_PROTOCOL_HIIT,
    training_pb2.CONDITIONING_PROTOCOL_SIT,
    training_pb2.CONDITIONING_PROTOCOL_SS,
)
BIKE = "Assault Bike"
EVIDENCE = conditioning_svc.app.versions().shipped[1]

type Call = Callable[[str, Message], Any]


module_database_url = service_helpers.module_database_url
database_url = service_helpers.emptied_database_url


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = Database(behind_walls(database_url))
    yield database
    database.close()


def calls(servicer: object, module: Any, service: str) -> Call:
    descriptor = module.DESCRIPTOR.services_by_name[service]
    return lambda method, request: invoke(servicer, descriptor, method, request)


@pytest.fixture
def readiness_shelf(database: Database) -> RulesShelf[ReadinessRules]:
    return RulesShelf(readiness_svc.app.versions(), readiness_svc.store.rules, database)


@pytest.fixture
def debt_shelf(database: Database) -> RulesShelf[DebtRules]:
    return RulesShelf(debt_svc.app.versions(), debt_svc.store.rules, database)


@pytest.fixture
def conditioning_shelf(database: Database) -> RulesShelf[ConditioningRules]:
    return RulesShelf(conditioning_svc.app.versions(), conditioning_svc.store.rules, database)


@pytest.fixture
def readiness(database: Database, readiness_shelf: RulesShelf[ReadinessRules]) -> Call:
    return calls(ReadinessServicer(readiness_shelf, CheckInStore(database)), readiness_pb, "ReadinessService")


@pytest.fixture
def debt_servicer(database: Database, debt_shelf: RulesShelf[DebtRules], clock: FixedClock) -> DebtServicer:
    return DebtServicer(debt_shelf, LedgerStore(database), clock)


@pytest.fixture
def debt(debt_servicer: DebtServicer) -> Call:
    return calls(debt_servicer, debt_pb, "DebtService")


@pytest.fixture
def conditioning_servicer(
    database: Database, conditioning_shelf: RulesShelf[ConditioningRules], clock: FixedClock
) -> ConditioningServicer:
    return ConditioningServicer(conditioning_shelf, ProfileStore(database), clock)


@pytest.fixture
def conditioning(conditioning_servicer: ConditioningServicer) -> Call:
    return calls(conditioning_servicer, conditioning_pb, "ConditioningService")


def timestamp(moment: datetime) -> Timestamp:
    stamp = Timestamp()
    stamp.FromDatetime(moment)
    return stamp


def check_in(knee_pain: int, energy: int) -> training_pb2.CheckIn:
    return training_pb2.CheckIn(knee_pain=knee_pain, energy=energy)


# Readiness.


def graded(readiness: Call, *check_ins: tuple[int, int]) -> readiness_pb.BatchEvaluateReadinessResponse:
    request = readiness_pb.BatchEvaluateReadinessRequest(check_ins=[check_in(*each) for each in check_ins])
    answer: readiness_pb.BatchEvaluateReadinessResponse = readiness("BatchEvaluateReadiness", request)
    return answer


def test_check_ins_are_graded_in_the_order_of_the_request(readiness: Call) -> None:
    answer = graded(readiness, (0, 10), (10, 0), (4, 10), (0, 10), (3, 5), (0, 4), (6, 10), (0, 2))
    assert [verdict.state for verdict in answer.verdicts] == [GREEN, RED, ORANGE, GREEN, GREEN, ORANGE, RED, RED]
    assert answer.verdicts[0] == answer.verdicts[3]
    assert [verdict.archetype == training_pb2.ARCHETYPE_RECOVERY for verdict in answer.verdicts] == [
        verdict.state == RED for verdict in answer.verdicts
    ]


def test_a_verdict_tells_how_far_the_next_worse_state_is(readiness: Call) -> None:
    (verdict,) = graded(readiness, (3, 0)).verdicts
    pain, energy = verdict.readings
    assert (pain.signal, pain.value, pain.state, pain.margin) == ("knee_pain", 3, GREEN, 1)
    assert (energy.signal, energy.value, energy.state) == ("energy", 0, RED)
    assert not energy.HasField("margin")
    assert [decision.subject for decision in verdict.decisions] == ["state", "archetype"]
    assert verdict.decisions[0].outcome == "RED"


def test_grading_stores_nothing(readiness: Call, database_url: str) -> None:
    graded(readiness, (0, 10), (10, 0))
    assert execute(database_url, "SELECT count(*) FROM readiness.check_ins") == [(0,)]


def test_check_ins_are_kept_once_however_often_they_come(readiness: Call, database_url: str) -> None:
    first, second = (
        readiness_pb.CheckInEvent(
            event_id=str(number_id(number)),
            athlete_id=str(ATHLETE),
            session_id=str(number_id(100 + number)),
            check_in=check_in(0, number),
            state=ORANGE,
            check_in_time=timestamp(NOW + timedelta(days=number, microseconds=1)),
        )
        for number in (3, 4)
    )
    for events in ([first, first, second], [second, first]):
        readiness("BatchRecordCheckIns", readiness_pb.BatchRecordCheckInsRequest(events=events))
    rows = execute(
        database_url,
        "SELECT event_id, athlete_id, session_id, knee_pain, energy, state, check_in_time"
        " FROM readiness.check_ins ORDER BY energy",
    )
    assert rows == [
        (
            number_id(number),
            ATHLETE,
            number_id(100 + number),
            0,
            number,
            "ORANGE",
            NOW + timedelta(days=number, microseconds=1),
        )
        for number in (3, 4)
    ]


# Debt.


def training(
    number: int, *slots: str, athlete: UUID = ATHLETE, days: float | None = None, event: int | None = None
) -> debt_pb.TrainingEvent:
    """The `number`-th completed session, on the day of its number."""
    return debt_pb.TrainingEvent(
        event_id=str(number_id(number if event is None else event)),
        athlete_id=str(athlete),
        session_id=str(number_id(100 + number)),
        session_number=number,
        slots=slots,
        completed_time=timestamp(NOW + timedelta(days=number if days is None else days)),
    )


def record_training(debt: Call, *events: debt_pb.TrainingEvent) -> None:
    debt("BatchRecordTraining", debt_pb.BatchRecordTrainingRequest(events=events))


def ledgers(debt: Call, *athletes: UUID) -> list[debt_pb.Ledger]:
    request = debt_pb.BatchGetLedgersRequest(athlete_ids=map(str, athletes))
    return list(debt("BatchGetLedgers", request).ledgers)


def rotation(ledger: debt_pb.Ledger, name: str) -> list[debt_pb.RankedSlot]:
    (found,) = (rotation for rotation in ledger.rotations if rotation.rotation == name)
    return list(found.slots)


def test_an_unknown_athlete_has_an_empty_history(debt: Call) -> None:
    (ledger,) = ledgers(debt, ATHLETE)
    assert (ledger.athlete_id, ledger.completed_sessions) == (str(ATHLETE), 0)
    assert {each.rotation: [slot.slot for slot in each.slots] for each in ledger.rotations} == {
        name: list(slots) for name, slots in DEBT.rules.rotations.items()
    }
    assert [each.rotation for each in ledger.rotations] == list(DEBT.rules.rotations)
    for each in ledger.rotations:
        assert each.decision.outcome == each.slots[0].slot
        for slot in each.slots:
            assert not any(slot.HasField(field) for field in ("debt", "last_trained_time", "days_since"))
            assert slot.status_text == "Fully Primed"


def test_ledgers_come_in_the_order_of_the_request_even_twice(debt: Call) -> None:
    record_training(debt, training(1, "SQUAT"), training(1, athlete=STRANGER, event=2))
    unknown = number_id(999)
    answers = ledgers(debt, STRANGER, ATHLETE, unknown, STRANGER, ATHLETE)
    wanted = [STRANGER, ATHLETE, unknown, STRANGER, ATHLETE]
    assert [answer.athlete_id for answer in answers] == list(map(str, wanted))
    assert [answer.completed_sessions for answer in answers] == [1, 1, 0, 1, 1]
    assert (answers[0], answers[1]) == (answers[3], answers[4])


def test_ledgers_of_one_request_may_be_for_different_moments(debt: Call, clock: FixedClock) -> None:
    record_training(debt, training(1, "SQUAT", days=0))
    moments = [NOW + timedelta(days=days) for days in (4, 1)]
    request = debt_pb.BatchGetLedgersRequest(athlete_ids=[str(ATHLETE)] * 2, times=map(timestamp, moments))
    together = debt("BatchGetLedgers", request).ledgers
    assert [rotation(ledger, "MAIN")[-1].days_since for ledger in together] == [4, 1]
    for ledger, moment in zip(together, moments, strict=True):
        alone = debt_pb.BatchGetLedgersRequest(athlete_ids=[str(ATHLETE)], time=timestamp(moment))
        assert list(debt("BatchGetLedgers", alone).ledgers) == [ledger]


def test_moments_that_do_not_pair_with_athletes_are_refused(
    debt_servicer: DebtServicer, conditioning_servicer: ConditioningServicer
) -> None:
    asked: dict[str, Any] = {"athlete_ids": [str(ATHLETE)] * 2, "times": [timestamp(NOW)]}
    debt_request, conditioning_request = (
        debt_pb.BatchGetLedgersRequest(**asked),
        conditioning_pb.BatchPrescribeRequest(**asked),
    )
    debt_service = debt_pb.DESCRIPTOR.services_by_name["DebtService"]
    conditioning_service = conditioning_pb.DESCRIPTOR.services_by_name["ConditioningService"]
    says = "times: must be one per athlete, or none at all"
    assert says in invoke_refused(debt_servicer, debt_service, "BatchGetLedgers", debt_request)
    assert says in invoke_refused(conditioning_servicer, conditioning_service, "BatchPrescribe", conditioning_request)


def test_recorded_training_is_read_back_as_it_stands_now(debt: Call, clock: FixedClock) -> None:
    record_training(debt, training(1, "SQUAT", "CORE:TRANSVERSE", days=0), training(2, "PUSH", days=2))
    clock.advance(timedelta(hours=96))
    (ledger,) = ledgers(debt, ATHLETE)
    assert ledger.completed_sessions == 2
    assert [slot.slot for slot in rotation(ledger, "MAIN")] == ["HINGE", "PULL", "SQUAT", "PUSH"]
    *_, squat, push = rotation(ledger, "MAIN")
    assert (squat.debt, squat.days_since, squat.status_text) == (1, 4, "Fully Primed")
    assert (push.debt, push.days_since, push.status_text) == (0, 2, "Recovering")
    assert push.HasField("debt")
    assert squat.last_trained_time.ToDatetime(NOW.tzinfo) == NOW
    assert [slot.slot for slot in rotation(ledger, "CORE")] == ["CORE:SAGITTAL", "CORE:FRONTAL", "CORE:TRANSVERSE"]


def test_a_session_that_trained_no_slot_still_counts(debt: Call) -> None:
    record_training(debt, training(1, "SQUAT"), training(2))
    (ledger,) = ledgers(debt, ATHLETE)
    (squat,) = (slot for slot in rotation(ledger, "MAIN") if slot.slot == "SQUAT")
    assert (ledger.completed_sessions, squat.debt) == (2, 1)


def test_any_order_and_any_repetition_of_events_leaves_the_same_ledger(debt: Call, clock: FixedClock) -> None:
    clock.advance(timedelta(days=10))
    outcomes = set()
    for turn, order in enumerate(permutations([1, 2, 3, 4])):
        athlete = number_id(10_000 + turn)
        slots = {1: ["SQUAT", "PULL"], 2: ["PUSH"], 3: [], 4: ["SQUAT"]}
        events = {
            number: training(number, *slots[number], athlete=athlete, event=1000 * (turn + 1) + number)
            for number in order
        }
        record_training(debt, *(events[number] for number in order[:2]))
        record_training(debt, *(events[number] for number in (*order[1:], order[0], order[0])))
        (ledger,) = ledgers(debt, athlete)
        ledger.athlete_id = ""
        outcomes.add(ledger.SerializeToString(deterministic=True))
    assert len(outcomes) == 1
    ledger = debt_pb.Ledger.FromString(outcomes.pop())
    assert ledger.completed_sessions == 4
    assert {slot.slot: slot.debt for slot in rotation(ledger, "MAIN") if slot.HasField("debt")} == {
        "SQUAT": 0,
        "PUSH": 2,
        "PULL": 3,
    }


def test_a_batch_with_an_unknown_slot_records_nothing(debt: Call, debt_servicer: DebtServicer) -> None:
    request = debt_pb.BatchRecordTrainingRequest(events=[training(1, "SQUAT"), training(2, "SQUATS")])
    service = debt_pb.DESCRIPTOR.services_by_name["DebtService"]
    said = invoke_refused(debt_servicer, service, "BatchRecordTraining", request)
    assert "'SQUATS' takes no turns" in said
    (ledger,) = ledgers(debt, ATHLETE)
    assert ledger.completed_sessions == 0


def test_assumed_training_ranks_as_recorded_training_does_and_is_not_kept(debt: Call, clock: FixedClock) -> None:
    clock.advance(timedelta(days=10))
    history = [
        training(1, "SQUAT", "CORE:SAGITTAL"),
        training(2),
        training(3, "PUSH", "SQUAT"),
        training(4, "CORE:FRONTAL"),
    ]
    for known in range(len(history) + 1):
        (before,) = ledgers(debt, ATHLETE)
        told = debt_pb.ToldLedger(facts=before.facts, time=timestamp(clock.now()), assumed=history[known:])
        (assumed,) = debt("BatchRankLedgers", debt_pb.BatchRankLedgersRequest(ledgers=[told])).ledgers
        assert ledgers(debt, ATHLETE) == [before]
        record_training(debt, *history[known:])
        (recorded,) = ledgers(debt, ATHLETE)
        recorded.athlete_id = ""
        assert assumed == recorded


def test_a_slot_that_takes_no_turns_cannot_be_assumed(debt_servicer: DebtServicer) -> None:
    told = debt_pb.ToldLedger(time=timestamp(NOW), assumed=[training(1, "SQUATS")])
    service = debt_pb.DESCRIPTOR.services_by_name["DebtService"]
    request = debt_pb.BatchRankLedgersRequest(ledgers=[told])
    assert "'SQUATS' takes no turns" in invoke_refused(debt_servicer, service, "BatchRankLedgers", request)


# Conditioning.


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


# All three.


def test_every_service_shows_the_rules_it_decides_by(
    readiness_shelf: RulesShelf[ReadinessRules],
    debt_shelf: RulesShelf[DebtRules],
    conditioning_shelf: RulesShelf[ConditioningRules],
) -> None:
    cases: list[tuple[str, RulesShelf[Any], Loaded[Any], Callable[[Any], Mapping[str, bool]]]] = [
        ("readiness", readiness_shelf, READINESS, readiness_svc.domain.rule_ids),
        ("debt", debt_shelf, DEBT, debt_svc.domain.rule_ids),
        ("conditioning", conditioning_shelf, CONDITIONING, conditioning_svc.domain.rule_ids),
    ]
    for service, shelf, loaded, rule_ids in cases:
        call = calls(RulesKeeper(service, shelf, rule_ids), keeper_pb, "RulesKeeperService")
        text = (files(f"{service}_svc") / "rules.yaml").read_text(encoding="utf-8")
        for wanted in ("", loaded.content_hash):
            answer = call("GetRules", keeper_pb.GetRulesRequest(content_hash=wanted))
            stamp = (answer.ruleset.service, answer.ruleset.name, answer.ruleset.content_hash)
            assert stamp == (service, "classic", loaded.content_hash)
            assert MessageToDict(answer.document) == yaml.safe_load(text)
            assert answer.yaml == text
            assert {rule.rule_id: rule.can_decide for rule in answer.rules} == rule_ids(loaded.rules)


def test_every_decision_is_stamped_with_the_rules_that_made_it(readiness: Call, debt: Call, conditioning: Call) -> None:
    stamps = [
        graded(readiness, (0, 10)).ruleset,
        debt("BatchGetLedgers", debt_pb.BatchGetLedgersRequest(athlete_ids=[str(ATHLETE)])).ruleset,
        conditioning("BatchPrescribe", conditioning_pb.BatchPrescribeRequest(athlete_ids=[str(ATHLETE)])).ruleset,
    ]
    assert [(stamp.service, stamp.content_hash) for stamp in stamps] == [
        ("readiness", READINESS.content_hash),
        ("debt", DEBT.content_hash),
        ("conditioning", CONDITIONING.content_hash),
    ]

"""The RPCs of debt."""

from datetime import timedelta
from itertools import permutations
from typing import Any
from uuid import UUID

from flux.conditioning.v1 import conditioning_service_pb2 as conditioning_pb
from flux.debt.v1 import debt_service_pb2 as debt_pb

from conditioning_svc.servicer import ConditioningServicer
from debt_svc.servicer import DebtServicer
from tests.conftest import FixedClock
from tests.integration.service_helpers import ATHLETE, DEBT, NOW, STRANGER, invoke_refused, number_id
from tests.integration.services.helpers import Call, timestamp


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

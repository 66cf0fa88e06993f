"""The RPCs of readiness."""

from datetime import timedelta

from flux.common.v1 import training_pb2
from flux.readiness.v1 import readiness_service_pb2 as readiness_pb

from tests.integration.service_helpers import ATHLETE, NOW, execute, number_id
from tests.integration.services.helpers import GREEN, ORANGE, RED, Call, check_in, graded, timestamp


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

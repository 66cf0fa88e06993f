"""Messages that the contract does not admit: every field that is wrong is named."""

from collections.abc import Callable

import grpc
import pytest
from flux.common.v1 import training_pb2
from flux.conditioning.v1 import conditioning_service_pb2 as conditioning_pb
from flux.debt.v1 import debt_service_pb2 as debt_pb
from flux.debt.v1.debt_service_pb2_grpc import DebtServiceStub
from flux.readiness.v1 import readiness_service_pb2 as readiness_pb
from flux.readiness.v1 import readiness_service_pb2_grpc as readiness_grpc
from flux.session.v1 import session_service_pb2 as session_pb
from flux.session.v1.session_service_pb2_grpc import SessionServiceStub
from google.protobuf.timestamp_pb2 import Timestamp

from tests.integration.guard.helpers import INTERNAL_METHODS, LONG, as_athlete, refused, send, serving_service
from tests.integration.service_helpers import ATHLETE, number_id


def test_every_field_that_is_wrong_is_named(database_url: str) -> None:
    request = readiness_pb.BatchRecordCheckInsRequest(
        events=[
            readiness_pb.CheckInEvent(
                event_id="no id",
                athlete_id=str(ATHLETE),
                session_id=str(ATHLETE),
                check_in=training_pb2.CheckIn(knee_pain=11),
            )
        ]
    )
    with serving_service("readiness", database_url) as channel:
        stub = readiness_grpc.ReadinessServiceStub(channel)
        seen = refused(lambda: stub.BatchRecordCheckIns(request, timeout=LONG))
    assert (seen.code, seen.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST")
    assert set(seen.violations) == {
        "events[0].event_id",
        "events[0].check_in.knee_pain",
        "events[0].check_in.energy",
        "events[0].state",
        "events[0].check_in_time",
    }
    assert seen.violations["events[0].check_in.energy"] == "is required"
    assert all(f"{field}: {words}" in seen.message for field, words in seen.violations.items())


def test_a_field_in_a_list_is_named_with_its_place(debt: grpc.Channel) -> None:
    request = debt_pb.BatchGetLedgersRequest(athlete_ids=[str(ATHLETE), "me"])
    seen = refused(lambda: DebtServiceStub(debt).BatchGetLedgers(request, timeout=LONG))
    assert set(seen.violations) == {"athlete_ids[1]"}


def test_an_empty_batch_is_refused(debt: grpc.Channel) -> None:
    stub = DebtServiceStub(debt)
    for call, field in (
        (lambda: stub.BatchGetLedgers(debt_pb.BatchGetLedgersRequest(), timeout=LONG), "athlete_ids"),
        (lambda: stub.BatchRecordTraining(debt_pb.BatchRecordTrainingRequest(), timeout=LONG), "events"),
    ):
        assert set(refused(call).violations) == {field}


def test_the_gateway_names_fields_as_well(the_gateway: grpc.Channel) -> None:
    stub = SessionServiceStub(the_gateway)
    calls: dict[str, Callable[[], object]] = {
        "check_in": lambda: stub.PreviewSession(
            session_pb.PreviewSessionRequest(), timeout=LONG, metadata=as_athlete()
        ),
        "check_in.energy": lambda: stub.StartSession(
            session_pb.StartSessionRequest(check_in={"knee_pain": 0}), timeout=LONG, metadata=as_athlete()
        ),
        "session_id": lambda: stub.GetSession(
            session_pb.GetSessionRequest(session_id="1"), timeout=LONG, metadata=as_athlete()
        ),
        "sets[0].set_index": lambda: stub.LogSets(
            session_pb.LogSetsRequest(session_id=str(ATHLETE), sets=[{"exercise_name": "Back Squat"}]),
            timeout=LONG,
            metadata=as_athlete(),
        ),
        'exercise_notes["Chin Up"]': lambda: stub.CompleteSession(
            session_pb.CompleteSessionRequest(session_id=str(ATHLETE), exercise_notes={"Chin Up": "\0"}),
            timeout=LONG,
            metadata=as_athlete(),
        ),
    }
    for field, call in calls.items():
        seen = refused(call)
        assert (seen.code, seen.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST")
        assert set(seen.violations) == {field}


IMPOSSIBLE_TIMES = [
    Timestamp(seconds=10**15),
    Timestamp(seconds=-(10**15)),
    Timestamp(seconds=2**63 - 1),
    Timestamp(seconds=-(2**63)),
    Timestamp(seconds=0, nanos=-1),
    Timestamp(seconds=0, nanos=2**31 - 1),
]


@pytest.mark.parametrize("moment", IMPOSSIBLE_TIMES, ids=lambda moment: f"{moment.seconds}s{moment.nanos}ns")
def test_a_time_that_no_calendar_has_is_the_callers_fault(moment: Timestamp, database_url: str) -> None:
    names = {"event_id": str(number_id(1)), "athlete_id": str(ATHLETE), "session_id": str(number_id(2))}
    requests = {
        "readiness": (
            "BatchRecordCheckIns",
            readiness_pb.BatchRecordCheckInsRequest(
                events=[{**names, "check_in": {"knee_pain": 0, "energy": 0}, "state": 3, "check_in_time": moment}]
            ),
        ),
        "debt": (
            "BatchRecordTraining",
            debt_pb.BatchRecordTrainingRequest(events=[{**names, "session_number": 1, "completed_time": moment}]),
        ),
        "conditioning": (
            "BatchRecordConditioning",
            conditioning_pb.BatchRecordConditioningRequest(
                events=[
                    {
                        **names,
                        "completed_time": moment,
                        "level_completed": {"protocol": "CONDITIONING_PROTOCOL_SIT", "planned_level": 1},
                    }
                ]
            ),
        ),
    }
    for name, (method, request) in requests.items():
        with serving_service(name, database_url) as channel:
            (path,) = (each.path for each in INTERNAL_METHODS if each.path.endswith(method))
            seen = refused(lambda c=channel, p=path, r=request: send(c, p, r.SerializeToString()))  # type: ignore[misc]
        assert (name, seen.code) == (name, grpc.StatusCode.INVALID_ARGUMENT)

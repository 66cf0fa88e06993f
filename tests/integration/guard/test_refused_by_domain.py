"""What the domain refuses, and who may not ask: what callers get to see."""

import re
from contextlib import ExitStack
from pathlib import Path

import grpc
import pytest
from flux.common.v1 import training_pb2
from flux.conditioning.v1 import conditioning_service_pb2 as conditioning_pb
from flux.conditioning.v1.conditioning_service_pb2_grpc import ConditioningServiceStub
from flux.debt.v1 import debt_service_pb2 as debt_pb
from flux.debt.v1.debt_service_pb2_grpc import DebtServiceStub
from flux.session.v1 import session_service_pb2 as session_pb
from flux.session.v1.session_service_pb2_grpc import SessionServiceStub
from google.protobuf.timestamp_pb2 import Timestamp

from tests.integration.guard.helpers import LONG, as_athlete, refused, serving_gateway, serving_service
from tests.integration.service_helpers import (
    ATHLETE,
    STRANGER,
    Stores,
    check_in_event,
    new_session,
    number_id,
    with_stores,
)


def test_an_unknown_slot_is_answered_with_the_nearest_names(debt: grpc.Channel) -> None:
    event = debt_pb.TrainingEvent(
        event_id=str(number_id(1)),
        athlete_id=str(ATHLETE),
        session_id=str(number_id(2)),
        session_number=1,
        slots=["SQUATS"],
        completed_time=Timestamp(),
    )
    request = debt_pb.BatchRecordTrainingRequest(events=[event])
    seen = refused(lambda: DebtServiceStub(debt).BatchRecordTraining(request, timeout=LONG))
    assert (seen.code, seen.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "UNKNOWN_SLOT")
    assert "SQUAT" in seen.metadata["nearest"].split(", ")


def test_an_unknown_level_is_refused(database_url: str) -> None:
    event = conditioning_pb.ConditioningEvent(
        event_id=str(number_id(1)),
        athlete_id=str(ATHLETE),
        session_id=str(number_id(2)),
        completed_time=Timestamp(),
        level_completed={"protocol": training_pb2.CONDITIONING_PROTOCOL_HIIT, "planned_level": 2**31 - 1},
    )
    request = conditioning_pb.BatchRecordConditioningRequest(events=[event])
    with serving_service("conditioning", database_url) as channel:
        stub = ConditioningServiceStub(channel)
        seen = refused(lambda: stub.BatchRecordConditioning(request, timeout=LONG))
    assert (seen.code, seen.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "UNKNOWN_LEVEL")


def test_a_foreign_session_and_an_absent_one_are_the_same_bytes(the_gateway: grpc.Channel, database_url: str) -> None:
    session = new_session()

    async def start(stores: Stores) -> None:
        await stores.sessions.start(session, [check_in_event(session)])

    with_stores(database_url, start)
    stub = SessionServiceStub(the_gateway)
    mine = stub.GetSession(
        session_pb.GetSessionRequest(session_id=str(session.session_id)), timeout=LONG, metadata=as_athlete()
    )
    assert mine.session.session_id == str(session.session_id)
    one_set = [{"exercise_name": "Back Squat", "set_index": 0}]
    for method, fields in (
        (stub.GetSession, {}),
        (stub.LogSets, {"sets": one_set}),
        (stub.CompleteSession, {"sets": one_set}),
        (stub.AbandonSession, {}),
    ):
        shape = {
            stub.GetSession: session_pb.GetSessionRequest,
            stub.LogSets: session_pb.LogSetsRequest,
            stub.CompleteSession: session_pb.CompleteSessionRequest,
            stub.AbandonSession: session_pb.AbandonSessionRequest,
        }[method]
        seen = [
            refused(
                lambda m=method, s=shape, f=fields, i=session_id: m(  # type: ignore[misc]
                    s(session_id=str(i), **f), timeout=LONG, metadata=as_athlete(STRANGER)
                )
            )
            for session_id in (session.session_id, number_id(999))
        ]
        assert seen[0] == seen[1]
        assert (seen[0].code, seen[0].reason) == (grpc.StatusCode.NOT_FOUND, "SESSION_NOT_FOUND")


@pytest.mark.parametrize("metadata", [(), as_athlete() * 2, as_athlete() + as_athlete(STRANGER)])
def test_a_call_that_does_not_say_for_whom_is_unauthenticated(
    the_gateway: grpc.Channel, metadata: tuple[tuple[str, str], ...]
) -> None:
    request = session_pb.ListSessionsRequest()
    seen = refused(lambda: SessionServiceStub(the_gateway).ListSessions(request, timeout=LONG, metadata=metadata))
    assert (seen.code, seen.reason) == (grpc.StatusCode.UNAUTHENTICATED, "UNAUTHENTICATED")


def test_without_a_database_calls_are_unavailable_and_say_nothing_of_it(tmp_path: Path) -> None:
    nowhere = f"postgresql://postgres@/flux?host={tmp_path / 'nothing'}"
    with ExitStack() as stack:
        debt = DebtServiceStub(stack.enter_context(serving_service("debt", nowhere)))
        public = SessionServiceStub(stack.enter_context(serving_gateway(nowhere, knows_the_rules=False)))
        seen = [
            refused(
                lambda: debt.BatchGetLedgers(debt_pb.BatchGetLedgersRequest(athlete_ids=[str(ATHLETE)]), timeout=LONG)
            ),
            refused(lambda: public.ListSessions(session_pb.ListSessionsRequest(), timeout=LONG, metadata=as_athlete())),
        ]
    for each in seen:
        assert (each.code, each.reason) == (grpc.StatusCode.UNAVAILABLE, "DEPENDENCY_UNAVAILABLE")
        assert not re.search(rb"nothing|psycopg|sqlalchemy|socket", each.raw)


def test_without_the_other_services_a_plan_is_unavailable_and_never_a_guess(the_gateway: grpc.Channel) -> None:
    request = session_pb.PreviewSessionRequest(check_in={"knee_pain": 0, "energy": 10})
    seen = refused(lambda: SessionServiceStub(the_gateway).PreviewSession(request, timeout=LONG, metadata=as_athlete()))
    assert (seen.code, seen.reason) == (grpc.StatusCode.UNAVAILABLE, "DEPENDENCY_UNAVAILABLE")

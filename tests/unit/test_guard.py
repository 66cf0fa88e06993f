"""The guard: what is admitted, and how much of an error is told."""

import logging
import re
from typing import Any

import grpc
import pytest
from flux.app.v1 import app_service_pb2 as app_pb
from flux.common.v1 import training_pb2
from flux.conditioning.v1 import conditioning_service_pb2 as conditioning_pb
from flux.readiness.v1 import readiness_service_pb2 as readiness_pb
from flux.session.v1 import session_service_pb2 as session_pb
from google.protobuf.message import Message
from google.rpc import code_pb2, error_details_pb2, status_pb2
from hypothesis import example, given
from hypothesis import strategies as st

from shared.errors import (
    DeadlineTooShort,
    DependencyUnavailable,
    FieldViolation,
    FluxError,
    InvalidRequest,
    MalformedRequest,
)
from shared.rpc.guard import LEAST_SECONDS_LEFT, Guard
from shared.rpc.status import ERROR_DOMAIN, as_status

GUARD = Guard()
# gRPC's own limit for the headers of an answer; ours are not the only ones.
TAKEN_BY_CLIENTS = 8_000
SECRET = "the athlete's knee"  # noqa: S105 - what no caller may read


def admit(request: Message, seconds_left: float | None = 1.0) -> Any:
    return GUARD.admit(request.SerializeToString(), type(request).FromString, seconds_left)


def violations(request: Message) -> dict[str, str]:
    """What the guard says of a request: descriptions by field."""
    with pytest.raises(InvalidRequest) as caught:
        admit(request)
    for violation in caught.value.violations:
        assert f"{violation.field}: {violation.description}" in caught.value.message
    return {violation.field: violation.description for violation in caught.value.violations}


def check_in(**answers: int) -> session_pb.PreviewSessionRequest:
    request = session_pb.PreviewSessionRequest()
    request.check_in.SetInParent()
    for name, value in answers.items():
        setattr(request.check_in, name, value)
    return request


def status_of(error: Exception) -> tuple[grpc.StatusCode, str, status_pb2.Status]:
    refused: Any = GUARD.refuse(error, "/flux.Test/Do")
    ((key, packed),) = refused.trailing_metadata
    assert key == "grpc-status-details-bin"
    return refused.code, refused.details, status_pb2.Status.FromString(packed)


def error_info(status: status_pb2.Status) -> error_details_pb2.ErrorInfo:
    info = error_details_pb2.ErrorInfo()
    (found,) = [detail for detail in status.details if detail.Is(info.DESCRIPTOR)]
    found.Unpack(info)
    return info


def test_valid_request_is_admitted_as_it_was_sent() -> None:
    request = check_in(knee_pain=0, energy=10)
    assert admit(request) == request


@pytest.mark.parametrize(("knee_pain", "energy"), [(0, 0), (10, 10), (0, 10), (10, 0)])
def test_ends_of_the_scale_are_answers(knee_pain: int, energy: int) -> None:
    admit(check_in(knee_pain=knee_pain, energy=energy))


@pytest.mark.parametrize("raw", [b"\xff", b"\x0a\xff", b"\x0a\x05abc", b"\x08", b"\x00\x00"])
def test_malformed_bytes_are_refused_without_the_text_of_the_decoder(raw: bytes) -> None:
    with pytest.raises(MalformedRequest, match=r"^the request is not a valid message of this method") as caught:
        GUARD.admit(raw, session_pb.PreviewSessionRequest.FromString, 1.0)
    assert caught.value.__cause__ is None
    assert "pars" not in caught.value.message.lower()


def test_missing_answer_is_named_by_its_path() -> None:
    assert violations(check_in(knee_pain=3)) == {"check_in.energy": "is required"}


def test_all_missing_answers_are_named_at_once() -> None:
    assert violations(check_in()) == {"check_in.knee_pain": "is required", "check_in.energy": "is required"}


def test_missing_check_in_is_named() -> None:
    assert violations(session_pb.PreviewSessionRequest()) == {"check_in": "is required"}


@pytest.mark.parametrize("answer", [-1, 11, 2**31 - 1, -(2**31)])
def test_answer_out_of_bounds_is_named_with_the_bounds(answer: int) -> None:
    said = violations(check_in(knee_pain=answer, energy=5))
    assert list(said) == ["check_in.knee_pain"]
    assert "0" in said["check_in.knee_pain"]
    assert "10" in said["check_in.knee_pain"]


def test_item_of_a_list_is_named_by_its_index() -> None:
    good, bad = check_in(knee_pain=1, energy=1).check_in, check_in(knee_pain=1).check_in
    request = readiness_pb.BatchEvaluateReadinessRequest(check_ins=[good, bad])
    assert violations(request) == {"check_ins[1].energy": "is required"}


def test_entry_of_a_map_is_named_by_its_key() -> None:
    request = session_pb.CompleteSessionRequest(
        session_id="7d7f4c9e-9a6f-4c39-8d30-0c1b6a2e5f11", exercise_notes={"Back Squat": "a\0b"}
    )
    assert violations(request) == {'exercise_notes["Back Squat"]': "must not contain the character U+0000"}


def test_choice_that_was_not_made_is_named() -> None:
    event = conditioning_pb.ConditioningEvent(
        event_id="7d7f4c9e-9a6f-4c39-8d30-0c1b6a2e5f11",
        athlete_id="7d7f4c9e-9a6f-4c39-8d30-0c1b6a2e5f11",
        session_id="7d7f4c9e-9a6f-4c39-8d30-0c1b6a2e5f11",
    )
    event.completed_time.FromSeconds(1)
    said = violations(conditioning_pb.BatchRecordConditioningRequest(events=[event]))
    assert list(said) == ["events[0].effect"]


def level_completed(
    level: int, protocol: Any = training_pb2.CONDITIONING_PROTOCOL_HIIT
) -> conditioning_pb.BatchRecordConditioningRequest:
    same = "7d7f4c9e-9a6f-4c39-8d30-0c1b6a2e5f11"
    event = conditioning_pb.ConditioningEvent(event_id=same, athlete_id=same, session_id=same)
    event.completed_time.FromSeconds(1)
    event.level_completed.protocol = protocol
    event.level_completed.planned_level = level
    return conditioning_pb.BatchRecordConditioningRequest(events=[event])


@pytest.mark.parametrize("level", [0, -1])
def test_level_below_one_is_refused(level: int) -> None:
    assert list(violations(level_completed(level))) == ["events[0].level_completed.planned_level"]


def test_level_of_one_is_admitted() -> None:
    admit(level_completed(1))


@pytest.mark.parametrize("protocol", [0, 4])
def test_unknown_protocol_is_refused(protocol: int) -> None:
    assert list(violations(level_completed(1, protocol))) == ["events[0].level_completed.protocol"]


def test_text_that_is_no_id_is_refused() -> None:
    assert list(violations(session_pb.GetSessionRequest(session_id="mine"))) == ["session_id"]


def test_set_index_is_required_and_bounded() -> None:
    same = "7d7f4c9e-9a6f-4c39-8d30-0c1b6a2e5f11"
    assert violations(app_pb.LogSetRequest(session_id=same, exercise_name="x")) == {"set_index": "is required"}
    assert list(violations(app_pb.LogSetRequest(session_id=same, exercise_name="x", set_index=100))) == ["set_index"]
    admit(app_pb.LogSetRequest(session_id=same, exercise_name="x", set_index=99))


def test_violation_names_its_rule() -> None:
    with pytest.raises(InvalidRequest) as caught:
        admit(check_in(knee_pain=3))
    assert [violation.rule for violation in caught.value.violations] == ["REQUIRED"]


@pytest.mark.parametrize("seconds_left", [0.0, LEAST_SECONDS_LEFT - 0.001, -1.0])
def test_too_little_time_is_refused(seconds_left: float) -> None:
    with pytest.raises(DeadlineTooShort):
        admit(check_in(knee_pain=0, energy=10), seconds_left)


def test_too_little_time_is_refused_before_anything_is_read() -> None:
    with pytest.raises(DeadlineTooShort):
        GUARD.admit(b"\xff", session_pb.PreviewSessionRequest.FromString, 0.0)


@pytest.mark.parametrize("seconds_left", [None, LEAST_SECONDS_LEFT, 9.2e18])
def test_enough_time_or_no_deadline_is_admitted(seconds_left: float | None) -> None:
    admit(check_in(knee_pain=0, energy=10), seconds_left)


@pytest.mark.parametrize(
    "error",
    [ValueError(SECRET), KeyError(SECRET), RuntimeError(SECRET), AssertionError(SECRET), RecursionError(SECRET)],
)
def test_unexpected_error_tells_only_an_id(error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        code, message, status = status_of(error)
    assert code is grpc.StatusCode.INTERNAL
    found = re.fullmatch(r"internal error ([0-9a-f]{32})", message)
    assert found
    info = error_info(status)
    assert (info.reason, info.domain, dict(info.metadata)) == ("INTERNAL", ERROR_DOMAIN, {"error_id": found[1]})
    assert SECRET not in str(status)
    assert type(error).__name__ not in str(status)
    assert found[1] in caplog.text
    assert SECRET in caplog.text


def test_two_unexpected_errors_have_two_ids() -> None:
    assert status_of(ValueError())[1] != status_of(ValueError())[1]


def test_expected_error_is_told_and_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    code, message, status = status_of(DependencyUnavailable("debt does not answer", service="debt"))
    assert (code, message) == (grpc.StatusCode.UNAVAILABLE, "debt does not answer")
    info = error_info(status)
    assert (info.reason, info.domain, dict(info.metadata)) == (
        "DEPENDENCY_UNAVAILABLE",
        ERROR_DOMAIN,
        {"service": "debt"},
    )
    assert caplog.records == []


def test_cause_of_an_expected_error_is_not_told() -> None:
    error = DependencyUnavailable("the database does not answer")
    error.__cause__ = OSError(SECRET)
    assert SECRET not in str(status_of(error)[2])


def test_status_holds_every_violation() -> None:
    status = as_status(
        InvalidRequest.of([FieldViolation("a.b", "is required", "REQUIRED"), FieldViolation("c", "is bad")])
    )
    bad = error_details_pb2.BadRequest()
    assert status.details[1].Unpack(bad)
    assert [(v.field, v.description, v.reason) for v in bad.field_violations] == [
        ("a.b", "is required", "REQUIRED"),
        ("c", "is bad", "INVALID"),
    ]
    assert status.message == "a.b: is required; c: is bad"


@given(
    st.text(),
    st.lists(st.builds(FieldViolation, st.text(max_size=999), st.text(max_size=999)), max_size=400),
    st.dictionaries(st.sampled_from(["nearest", "service"]), st.text(max_size=999)),
)
@example("🏋" * 9_999, [FieldViolation("🏋" * 999, "🏋" * 999)] * 999, {"nearest": "🏋" * 999, "service": "🏋" * 999})
def test_a_status_is_small_enough_to_arrive(
    message: str, found: list[FieldViolation], metadata: dict[str, str]
) -> None:
    status = as_status(InvalidRequest(message, violations=found, **metadata))
    headers = 3 * len(status.message.encode()) + status.ByteSize() * 4 / 3
    assert headers < TAKEN_BY_CLIENTS
    bad = error_details_pb2.BadRequest()
    told = [v for detail in status.details if detail.Unpack(bad) for v in bad.field_violations]
    left_out = int(error_info(status).metadata.get("violations_left_out", 0))
    assert len(told) + left_out == len(found)
    assert (left_out > 0) <= (len(found) > 1)


def test_a_message_does_not_begin_or_end_with_a_blank() -> None:
    assert as_status(MalformedRequest(" .yaml:1: no\n ")).message == ".yaml:1: no"


def test_status_without_violations_has_one_detail() -> None:
    assert len(as_status(MalformedRequest("no")).details) == 1


@pytest.mark.parametrize("error", [MalformedRequest("no"), DeadlineTooShort("no"), InvalidRequest("no")])
def test_status_has_the_code_of_its_error(error: FluxError) -> None:
    assert code_pb2.Code.Name(as_status(error).code) == error.code.value

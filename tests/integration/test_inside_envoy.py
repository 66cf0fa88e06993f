"""A servicer inside a real Envoy, by native gRPC, gRPC-Web and JSON: each hears what grpcio's server would say."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import httpx
import pytest
from flux.session.v1 import session_service_pb2 as pb
from google.protobuf.message import Message
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from tests.client import grpc_web, native
from tests.conftest import Stack
from tests.front_doors import OpenDoor, front_door
from tests.integration.hosted import HUSH, MOST, SERVICE, WORDS

LONG = 30.0
JSON = {"ListSessions": "/v1/sessions", "GetOpenSession": "/v1/sessions:open", "ListExercises": "/v1/exercises"}


@pytest.fixture(scope="module")
def door(stack: Stack) -> Iterator[OpenDoor]:
    with front_door(stack, holding="tests.integration.hosted:application") as opened:
        yield opened


def call(door: OpenDoor, method: str, request: Message | None = None, timeout: float | None = LONG) -> bytes:
    with native(door.address) as channel:
        raw: Any = channel.unary_unary(f"/{SERVICE}/{method}")
        answer: bytes = raw((request or pb.ListExercisesRequest()).SerializeToString(), timeout=timeout)
        return answer


def refusal(door: OpenDoor, method: str, timeout: float | None = LONG) -> tuple[grpc.StatusCode, str, str]:
    """Code, message and reason of a call that must fail."""
    with pytest.raises(grpc.RpcError) as raised:
        call(door, method, timeout=timeout)
    error: Any = raised.value
    status = rpc_status.from_call(error)
    assert status is not None, error
    info = error_details_pb2.ErrorInfo()
    assert status.details[0].Unpack(info)
    assert info.domain == "flux.engine"
    return error.code(), error.details(), info.reason


def framed(door: OpenDoor, body: bytes) -> str:
    """The reason that gRPC-Web hears for such a body."""
    headers = {"content-type": "application/grpc-web+proto", "x-grpc-web": "1"}
    answer = httpx.post(f"{door.url}/{SERVICE}/ListExercises", content=body, headers=headers)
    assert answer.status_code == 200
    assert answer.headers["grpc-status"] == str(grpc.StatusCode.INVALID_ARGUMENT.value[0])
    return str(answer.headers["grpc-message"])


def test_an_answer_is_the_same_by_all_three(door: OpenDoor) -> None:
    by_web = grpc_web(door.url, f"{SERVICE}/ListExercises", pb.ListExercisesRequest(), **{"x-request-id": "web"})
    assert pb.ListExercisesResponse.FromString(by_web.message or b"").exercises[0].name
    assert by_web.trailers["grpc-status"] == "0"
    assert pb.ListExercisesResponse.FromString(call(door, "ListExercises")).exercises[0].name
    by_json = httpx.get(door.url + JSON["ListExercises"])
    assert (by_json.status_code, len(by_json.json()["exercises"])) == (200, 1)


def test_a_bug_tells_an_id_and_nothing_of_itself(door: OpenDoor) -> None:
    code, _, reason = refusal(door, "GetSession")
    assert (code, reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST")  # the guard, before any bug
    request = pb.GetSessionRequest(session_id="00000000-0000-4000-8000-000000000000")
    with pytest.raises(grpc.RpcError) as raised:
        call(door, "GetSession", request)
    error: Any = raised.value
    assert error.code() is grpc.StatusCode.INTERNAL
    assert HUSH not in error.details()
    by_json = httpx.get(f"{door.url}/v1/sessions/{request.session_id}")
    assert by_json.status_code == 500
    assert HUSH not in by_json.text
    assert by_json.json()["details"][0]["reason"] == "INTERNAL"


def test_words_of_any_kind_arrive(door: OpenDoor) -> None:
    code, message, reason = refusal(door, "GetOpenSession")
    assert (code, message, reason) == (grpc.StatusCode.INVALID_ARGUMENT, WORDS, "INVALID_REQUEST")
    by_json = httpx.get(door.url + JSON["GetOpenSession"])
    assert (by_json.status_code, by_json.json()["message"]) == (400, WORDS)


@pytest.mark.parametrize("timeout", [None, 0.5])
def test_what_takes_too_long_is_ended_and_says_so(door: OpenDoor, timeout: float | None) -> None:
    begun = time.monotonic()
    code, _, reason = refusal(door, "ListSessions", timeout)
    assert (code, reason) == (grpc.StatusCode.DEADLINE_EXCEEDED, "DEADLINE_TOO_SHORT")
    assert time.monotonic() - begun < 20  # the method itself would take a minute


def test_json_hears_of_it_too(door: OpenDoor) -> None:
    answer = httpx.get(door.url + JSON["ListSessions"], timeout=LONG)
    assert (answer.status_code, answer.json()["details"][0]["reason"]) == (504, "DEADLINE_TOO_SHORT")


def test_a_time_out_of_the_methods_own_is_a_bug(door: OpenDoor) -> None:
    code, message, _ = refusal(door, "GetAthleteState")
    assert code is grpc.StatusCode.INTERNAL
    assert HUSH not in message


def test_where_to_wait_a_header_says_how_long(door: OpenDoor) -> None:
    with pytest.raises(grpc.RpcError) as raised:
        call(door, "ListBenchmarks")
    error: Any = raised.value
    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert {**dict(error.initial_metadata()), **dict(error.trailing_metadata())}["retry-after"] == "1"


def test_more_than_the_limit_is_refused_and_the_rest_is_answered(door: OpenDoor) -> None:
    with ThreadPoolExecutor(MOST + 4) as callers:
        statuses = list(callers.map(lambda _: httpx.get(f"{door.url}/v1/athlete/trends").status_code, range(MOST + 4)))
    assert set(statuses) == {200, 429}
    assert httpx.get(f"{door.url}/v1/athlete/trends").status_code == 200


def test_who_leaves_harms_nobody(door: OpenDoor) -> None:
    with native(door.address) as channel:
        raw: Any = channel.unary_unary(f"/{SERVICE}/ListTrends")
        for _ in range(MOST * 3):
            left = raw.future(b"", timeout=LONG)
            time.sleep(0.05)
            left.cancel()
    deadline = time.monotonic() + LONG
    while httpx.get(f"{door.url}/v1/athlete/trends").status_code != 200:  # what was begun is ended first
        assert time.monotonic() < deadline
    assert call(door, "ListExercises")


@pytest.mark.parametrize(
    "body",
    [b"", b"\0\0\0", b"\0\0\0\0\5abc", b"\0\0\0\0\0\0\0\0\0\0", b"\0\0\0\0\2\xff\xff", b"\7\0\0\0\0"],
    ids=["nothing", "half a frame", "half a message", "two messages", "no message", "unknown flag"],
)
def test_a_bad_frame_is_the_callers_fault(door: OpenDoor, body: bytes) -> None:
    assert "message" in framed(door, body)


def test_a_compressed_message_is_told_to_be_none(door: OpenDoor) -> None:
    assert "compressed" in framed(door, b"\1\0\0\0\0")


def test_a_message_too_large_never_arrives(door: OpenDoor) -> None:
    with pytest.raises(grpc.RpcError) as raised:
        call(door, "ListExercises", pb.ListSessionsRequest(page_token="x" * 300 * 1024))
    error: Any = raised.value
    assert error.code() is grpc.StatusCode.OUT_OF_RANGE
    assert httpx.get(door.url + JSON["ListExercises"]).status_code == 200


def test_what_is_not_served_is_unimplemented(door: OpenDoor) -> None:
    with pytest.raises(grpc.RpcError) as raised:
        call(door, "DeleteAthlete")
    error: Any = raised.value
    assert error.code() is grpc.StatusCode.UNIMPLEMENTED

"""What one client may take: size, slowness and number of requests, each refused by a real Envoy as errors are."""

import itertools
import json
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import grpc
import httpx
import pytest
from flux.session.v1 import session_service_pb2 as pb
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from gateway.envoy.limits import Limits
from tests.conftest import Stack
from tests.front_doors import OpenDoor, answer_to, connect, front_door

PREVIEW = "/flux.session.v1.SessionService/PreviewSession"
JSON_HEADERS = b"host: flux\r\ncontent-type: application/json\r\n"


@pytest.fixture(scope="module")
def hasty(stack: Stack) -> Iterator[OpenDoor]:
    """A front door that waits half a second and no longer."""
    limits = Limits(headers_seconds=0.5, request_seconds=0.5, stream_idle_seconds=0.5, connection_idle_seconds=0.5)
    with front_door(stack, limits=limits) as door:
        yield door


def error_of(answer: bytes) -> tuple[int, dict[str, Any]]:
    """Status and body of an answer, whose form must be that of every error."""
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"content-type: application/json" in head.lower()
    error: dict[str, Any] = json.loads(body)
    assert set(error) == {"code", "message", "details"}
    assert error["message"]
    assert error["details"][0]["domain"] == "flux.engine"
    return int(head.split()[1]), error


def assert_refused(answer: bytes, status: int, reason: str, words: str) -> None:
    seen, error = error_of(answer)
    assert (seen, error["details"][0]["reason"]) == (status, reason)
    assert words in error["message"]


def refused_by_grpc(address: str, requests: Iterator[bytes], **headers: str) -> tuple[grpc.StatusCode, str]:
    """Code and reason that a call by native gRPC fails with."""
    with grpc.insecure_channel(address) as channel:
        call: Any = channel.stream_unary(PREVIEW)
        with pytest.raises(grpc.RpcError) as raised:
            call(requests, timeout=60, metadata=tuple(headers.items()))
    status = rpc_status.from_call(raised.value)  # type: ignore[arg-type]  # what a stub raises is also the call
    assert status is not None
    info = error_details_pb2.ErrorInfo()
    assert status.details[0].Unpack(info)
    return raised.value.code(), info.reason


# Size.


@pytest.mark.parametrize("framing", ["content-length", "chunked"])
def test_a_body_over_the_limit_is_refused_and_one_at_it_is_read(framing: str, stack: Stack) -> None:
    limit = Limits().body_bytes
    start, end = b'{"knee_pain": 2, "energy": 8', b"}"

    def send(size: int) -> httpx.Response:
        body = start + b" " * (size - len(start) - len(end)) + end
        content = body if framing == "content-length" else iter([body])
        headers = {"content-type": "application/json"}
        return httpx.post(f"{stack.url}/sessions/generate", content=content, headers=headers)

    assert send(limit).status_code == 200
    refused = send(limit + 1)
    assert (refused.status_code, refused.json()["details"][0]["reason"]) == (413, "REQUEST_TOO_LARGE")
    assert "256 KiB" in refused.json()["message"]


def test_a_message_over_the_limit_is_refused_by_grpc_too(stack: Stack) -> None:
    refused = refused_by_grpc(stack.address, iter([bytes(Limits().body_bytes)]))
    assert refused == (grpc.StatusCode.OUT_OF_RANGE, "REQUEST_TOO_LARGE")


def test_headers_over_the_limits_are_refused(stack: Stack) -> None:
    def send(headers: bytes) -> bytes:
        return answer_to(
            stack.address, b"GET /user/state HTTP/1.1\r\nhost: flux\r\nconnection: close\r\n" + headers + b"\r\n"
        )

    many = [b"x%d: 1\r\n" % index for index in range(Limits().headers)]
    large = b"x: " + b"a" * (Limits().header_kib * 1024) + b"\r\n"
    for headers in (b"".join(many), large, b"cookie: " + large):
        assert_refused(send(headers), 431, "HEADERS_TOO_LARGE", "64 headers, or more than 24 KiB")
    assert send(b"".join(many[:-10])).startswith(b"HTTP/1.1 200")


def test_a_path_as_long_as_the_headers_may_be_is_refused(stack: Stack) -> None:
    path = b"/" + b"a" * (Limits().header_kib * 1024)
    answer = answer_to(stack.address, b"GET " + path + b" HTTP/1.1\r\nhost: flux\r\n\r\n")
    assert_refused(answer, 431, "HEADERS_TOO_LARGE", "24 KiB")


# Slowness.


@pytest.mark.parametrize("part", [b"GET", b"GET / HTTP/1.1\r\n", b"GET / HTTP/1.1\r\nhost: flux\r\nx: "])
def test_headers_that_do_not_arrive_are_refused(part: bytes, hasty: OpenDoor) -> None:
    assert_refused(answer_to(hasty.address, part), 408, "DEADLINE_TOO_SHORT", "did not arrive in time")


def test_headers_that_trickle_in_are_refused(hasty: OpenDoor) -> None:
    with connect(hasty.address) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nhost: flux\r\nx: ")
        refused = trickle(connection)
    assert_refused(refused, 408, "DEADLINE_TOO_SHORT", "did not arrive in time")


@pytest.mark.parametrize("length", [b"content-length: 1000", b"transfer-encoding: chunked"])
@pytest.mark.parametrize("path", [b"/sessions/generate", b"/v1/sessions", b"/nowhere"])
def test_a_body_that_does_not_arrive_is_refused(path: bytes, length: bytes, hasty: OpenDoor) -> None:
    status, error = error_of(
        answer_to(hasty.address, b"POST " + path + b" HTTP/1.1\r\n" + JSON_HEADERS + length + b"\r\n\r\n")
    )
    assert (status, error["details"][0]["reason"]) == (408, "DEADLINE_TOO_SHORT")


def test_a_body_that_trickles_in_is_refused(hasty: OpenDoor) -> None:
    with connect(hasty.address) as connection:
        connection.sendall(b"POST /v1/sessions HTTP/1.1\r\n" + JSON_HEADERS + b"content-length: 100000\r\n\r\n{")
        refused = trickle(connection)
    assert_refused(refused, 408, "DEADLINE_TOO_SHORT", "did not arrive in time")


def trickle(connection: socket.socket) -> bytes:
    """Sends a blank now and then until there is an answer; answers it."""
    connection.settimeout(0.1)
    for _ in range(600):
        try:
            answer = connection.recv(65536)
        except TimeoutError:
            connection.sendall(b" ")
        else:
            connection.settimeout(60)
            with suppress(ConnectionResetError):  # the end of a connection on which a blank was still on its way
                while more := connection.recv(65536):
                    answer += more
            return answer
    raise AssertionError("whoever trickles is never refused")


def test_a_grpc_message_that_does_not_arrive_is_refused(hasty: OpenDoor) -> None:
    silent = threading.Event()

    def nothing() -> Iterator[bytes]:
        silent.wait()
        yield b""

    refused = refused_by_grpc(hasty.address, nothing())
    silent.set()
    assert refused == (grpc.StatusCode.DEADLINE_EXCEEDED, "DEADLINE_TOO_SHORT")


def test_a_connection_that_asks_for_nothing_is_closed(hasty: OpenDoor) -> None:
    assert answer_to(hasty.address, b"") == b""
    first = b"GET /healthz HTTP/1.1\r\nhost: flux\r\n\r\n"
    assert answer_to(hasty.address, first).startswith(
        b"HTTP/1.1 200"
    )  # read until Envoy ends the connection, which was kept open


# Number.


def test_who_comes_when_all_connections_are_taken_is_turned_away(stack: Stack) -> None:
    with (
        front_door(stack, limits=Limits(connections=2)) as door,
        connect(door.address) as first,
        connect(door.address) as second,
    ):
        assert_served(first)
        assert_served(second)
        with connect(door.address) as third, pytest.raises(ConnectionError):
            assert_served(third)
        assert_served(first)
        assert_served(second)


def assert_served(connection: socket.socket) -> None:
    connection.sendall(b"GET /healthz HTTP/1.1\r\nhost: flux\r\n\r\n")
    answer = connection.recv(65536)
    if not answer:
        raise ConnectionResetError
    assert answer.startswith(b"HTTP/1.1 200")


def test_a_connection_may_have_so_many_calls_at_once(stack: Stack) -> None:
    with front_door(stack) as door, connect(door.address) as connection:
        connection.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0]))
        with connection.makefile("rb") as stream:
            length = int.from_bytes(stream.read(3))
            kind = stream.read(6)[0]
            settings = dict(struct.iter_unpack(">HI", stream.read(length)))
    assert kind == 4  # SETTINGS
    assert settings[3] == Limits().streams  # MAX_CONCURRENT_STREAMS


def test_more_calls_than_may_run_at_once_wait_for_their_turn(stack: Stack) -> None:
    with front_door(stack, limits=Limits(streams=2)) as door, grpc.insecure_channel(door.address) as channel:
        list_exercises: Any = channel.unary_unary("/flux.session.v1.SessionService/ListExercises")
        calls = [list_exercises.future(b"", timeout=60) for _ in range(20)]
        assert all(pb.ListExercisesResponse.FromString(call.result()).exercises for call in calls)


def test_a_front_door_out_of_memory_says_so(stack: Stack) -> None:
    with front_door(stack, limits=Limits(heap_bytes=1)) as door:
        answers = (httpx.get(f"{door.url}/user/state") for _ in itertools.count())
        refused = next(answer for answer in answers if answer.status_code != 200)
    assert refused.status_code == 503
    assert refused.json()["details"][0]["reason"] == "DEPENDENCY_UNAVAILABLE"

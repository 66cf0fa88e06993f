"""Bytes that are no message are the caller's fault, on every method."""

import re

import grpc
import pytest
from flux.session.v1 import session_service_pb2 as session_pb
from google.protobuf.struct_pb2 import Struct

from shared.rpc.options import MAX_MESSAGE_BYTES
from tests.faults.malformed.hostile import varint
from tests.integration.guard.helpers import INTERNAL_METHODS, as_athlete, methods, refused, send, serving_service
from tests.integration.service_helpers import BUILDS, Refusal

MALFORMED = {
    "tag without value": b"\x0a",
    "length beyond the end": b"\x0a\x7f\x00",
    "endless varint": b"\xff" * 11,
    "unclosed group": b"\x0b",
    "text": b'{"athlete_ids": []}',
}


@pytest.mark.parametrize("name", BUILDS)
def test_bytes_that_are_no_message_are_the_callers_fault_on_every_internal_method(name: str, database_url: str) -> None:
    with serving_service(name, database_url) as channel:
        for method in (method for method in INTERNAL_METHODS if method.service == name):
            for raw in MALFORMED.values():
                assert_malformed(refused(lambda m=method, r=raw: send(channel, m.path, r)))  # type: ignore[misc]


def test_bytes_that_are_no_message_are_the_callers_fault_on_every_public_method(the_gateway: grpc.Channel) -> None:
    for method in methods("session", session_pb.DESCRIPTOR.services_by_name["SessionService"]):
        for raw in MALFORMED.values():
            assert_malformed(refused(lambda m=method, r=raw: send(the_gateway, m.path, r, as_athlete())))  # type: ignore[misc]


def assert_malformed(seen: Refusal) -> None:
    assert (seen.code, seen.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "MALFORMED_REQUEST")
    assert not re.search(rb"Error parsing|DecodeError|Traceback|google\.protobuf|Exception", seen.raw)


def test_text_that_is_not_unicode_is_malformed(debt: grpc.Channel, the_gateway: grpc.Channel) -> None:
    raw = b"\x0a\x02\xff\xfe"
    assert_malformed(refused(lambda: send(debt, "/flux.debt.v1.DebtService/BatchGetLedgers", raw)))
    assert_malformed(
        refused(lambda: send(the_gateway, "/flux.session.v1.SessionService/GetSession", raw, as_athlete()))
    )


def test_a_message_that_is_nested_too_deeply_is_malformed(the_gateway: grpc.Channel) -> None:
    deep = struct_of_depth(60)
    raw = b"\x12" + varint(len(deep) + 1 + len(varint(len(deep)))) + b"\x42" + varint(len(deep)) + deep
    assert_malformed(refused(lambda: send(the_gateway, "/flux.session.v1.SessionService/LogSets", raw, as_athlete())))


def struct_of_depth(depth: int) -> bytes:
    """A Struct in a Struct in a Struct …, written by hand, for no encoder does."""
    inner = Struct().SerializeToString()
    for _ in range(depth):
        value = b"\x2a" + varint(len(inner)) + inner
        entry = b"\x0a\x01k\x12" + varint(len(value)) + value
        inner = b"\x0a" + varint(len(entry)) + entry
    return inner


def test_a_message_that_is_too_large_is_not_even_read(debt: grpc.Channel) -> None:
    with pytest.raises(grpc.RpcError) as raised:
        send(debt, "/flux.debt.v1.DebtService/BatchGetLedgers", bytes(MAX_MESSAGE_BYTES + 1))
    assert isinstance(raised.value, grpc.Call)
    assert raised.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED

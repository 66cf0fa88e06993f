"""Calls of the three services' RPCs, for their tests."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from flux.common.v1 import training_pb2
from flux.readiness.v1 import readiness_service_pb2 as readiness_pb
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from tests.integration.service_helpers import invoke

GREEN, ORANGE, RED = (
    training_pb2.READINESS_STATE_GREEN,
    training_pb2.READINESS_STATE_ORANGE,
    training_pb2.READINESS_STATE_RED,
)
type Call = Callable[[str, Message], Any]


def calls(servicer: object, module: Any, service: str) -> Call:
    descriptor = module.DESCRIPTOR.services_by_name[service]
    return lambda method, request: invoke(servicer, descriptor, method, request)


def timestamp(moment: datetime) -> Timestamp:
    stamp = Timestamp()
    stamp.FromDatetime(moment)
    return stamp


def check_in(knee_pain: int, energy: int) -> training_pb2.CheckIn:
    return training_pb2.CheckIn(knee_pain=knee_pain, energy=energy)


def graded(readiness: Call, *check_ins: tuple[int, int]) -> readiness_pb.BatchEvaluateReadinessResponse:
    request = readiness_pb.BatchEvaluateReadinessRequest(check_ins=[check_in(*each) for each in check_ins])
    answer: readiness_pb.BatchEvaluateReadinessResponse = readiness("BatchEvaluateReadiness", request)
    return answer

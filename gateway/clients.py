"""The three services, as the gateway calls them. One that does not answer is DependencyUnavailable."""

from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

import grpc
from flux.conditioning.v1 import conditioning_service_pb2 as conditioning_pb
from flux.conditioning.v1.conditioning_service_pb2_grpc import ConditioningServiceStub
from flux.debt.v1 import debt_service_pb2 as debt_pb
from flux.debt.v1.debt_service_pb2_grpc import DebtServiceStub
from flux.readiness.v1 import readiness_service_pb2 as readiness_pb
from flux.readiness.v1.readiness_service_pb2_grpc import ReadinessServiceStub

from gateway.convert import internal
from gateway.domain.inputs import ConditioningProfile, Ledger, Readiness
from gateway.domain.session import BenchmarkMeasured, CheckInRecorded, Event, LevelCompleted, TrainingRecorded
from shared.errors import DependencyUnavailable
from shared.rpc import wire
from shared.rpc.deadline import seconds_for_call
from shared.rpc.options import channel_options

# The service may answer later; everything else that it can say is a fault in what was sent to it.
_TRANSIENT = {
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.CANCELLED,
}


class _Method[Request, Response](Protocol):
    """A unary method of a stub."""

    def __call__(self, request: Request, *, timeout: float) -> Awaitable[Response]: ...


@dataclass(frozen=True)
class Targets:
    """Where the services listen."""

    readiness: str
    debt: str
    conditioning: str


class Services:
    """Stubs of the three services over one channel each."""

    def __init__(self, targets: Targets) -> None:
        self._channels = [
            _channel(targets.readiness, readiness_pb.DESCRIPTOR, "ReadinessService"),
            _channel(targets.debt, debt_pb.DESCRIPTOR, "DebtService"),
            _channel(targets.conditioning, conditioning_pb.DESCRIPTOR, "ConditioningService"),
        ]
        readiness, debt, conditioning = self._channels
        self._readiness = ReadinessServiceStub(readiness)
        self._debt = DebtServiceStub(debt)
        self._conditioning = ConditioningServiceStub(conditioning)

    async def evaluate(self, check_in: Mapping[str, int]) -> Readiness:
        """The verdict on a check-in. Raises DependencyUnavailable."""
        request = readiness_pb.BatchEvaluateReadinessRequest(check_ins=[internal.to_check_in(check_in)])
        answer = await _call("readiness", self._readiness.BatchEvaluateReadiness, request)
        return internal.readiness(answer.verdicts[0], internal.ruleset(answer.ruleset))

    async def ledger(self, athlete_id: UUID) -> Ledger:
        """What is due for an athlete. Raises DependencyUnavailable."""
        request = debt_pb.BatchGetLedgersRequest(athlete_ids=[str(athlete_id)])
        answer = await _call("debt", self._debt.BatchGetLedgers, request)
        return internal.ledger(answer.ledgers[0], internal.ruleset(answer.ruleset))

    async def profile(self, athlete_id: UUID) -> ConditioningProfile:
        """Levels, benchmarks and prescriptions of an athlete. Raises DependencyUnavailable."""
        request = conditioning_pb.BatchPrescribeRequest(athlete_ids=[str(athlete_id)])
        answer = await _call("conditioning", self._conditioning.BatchPrescribe, request)
        return internal.profile(answer.profiles[0], internal.ruleset(answer.ruleset))

    async def rules(self) -> dict[str, dict[str, Any]]:
        """The rules of each service, as their YAML states them. Raises DependencyUnavailable."""
        readiness = await _call("readiness", self._readiness.GetRules, readiness_pb.GetRulesRequest())
        debt = await _call("debt", self._debt.GetRules, debt_pb.GetRulesRequest())
        conditioning = await _call("conditioning", self._conditioning.GetRules, conditioning_pb.GetRulesRequest())
        return {
            "readiness": wire.from_struct(readiness.document),
            "debt": wire.from_struct(debt.document),
            "conditioning": wire.from_struct(conditioning.document),
        }

    async def record_check_ins(self, events: Sequence[tuple[Event, CheckInRecorded]]) -> None:
        """Hands check-ins to readiness. Raises DependencyUnavailable, or grpc.RpcError if they are refused for good."""
        messages = [internal.check_in_event(event, payload) for event, payload in events]
        request = readiness_pb.BatchRecordCheckInsRequest(events=messages)
        await _call("readiness", self._readiness.BatchRecordCheckIns, request)

    async def record_training(self, events: Sequence[tuple[Event, TrainingRecorded]]) -> None:
        """Hands completed sessions to debt. Raises DependencyUnavailable, or grpc.RpcError if refused for good."""
        messages = [internal.training_event(event, payload) for event, payload in events]
        request = debt_pb.BatchRecordTrainingRequest(events=messages)
        await _call("debt", self._debt.BatchRecordTraining, request)

    async def record_conditioning(self, events: Sequence[tuple[Event, LevelCompleted | BenchmarkMeasured]]) -> None:
        """Hands verified work to conditioning. Raises DependencyUnavailable, or grpc.RpcError if refused for good."""
        messages = [internal.conditioning_event(event, payload) for event, payload in events]
        request = conditioning_pb.BatchRecordConditioningRequest(events=messages)
        await _call("conditioning", self._conditioning.BatchRecordConditioning, request)

    async def close(self) -> None:
        """Closes the channels."""
        for channel in self._channels:
            await channel.close()


def _channel(target: str, descriptor: Any, name: str) -> grpc.aio.Channel:
    health_name = descriptor.services_by_name[name].full_name
    return grpc.aio.insecure_channel(target, options=channel_options(health_name))


async def _call[Request, Response](service: str, method: _Method[Request, Response], request: Request) -> Response:
    try:
        return await method(request, timeout=seconds_for_call())
    except grpc.aio.AioRpcError as error:
        if error.code() in _TRANSIENT:
            raise DependencyUnavailable(f"{service} does not answer; retry in a moment", service=service) from error
        raise

"""The three services, as the gateway calls them. One that does not answer is DependencyUnavailable."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol, cast
from uuid import UUID

import grpc
from flux.athletes.v1 import erasure_service_pb2 as erasure_pb
from flux.athletes.v1.erasure_service_pb2_grpc import ErasureServiceStub
from flux.conditioning.v1 import conditioning_service_pb2 as conditioning_pb
from flux.conditioning.v1.conditioning_service_pb2_grpc import ConditioningServiceStub
from flux.debt.v1 import debt_service_pb2 as debt_pb
from flux.debt.v1.debt_service_pb2_grpc import DebtServiceStub
from flux.readiness.v1 import readiness_service_pb2 as readiness_pb
from flux.readiness.v1.readiness_service_pb2_grpc import ReadinessServiceStub
from flux.rules.v1 import keeper_service_pb2 as keeper_pb
from flux.rules.v1.keeper_service_pb2_grpc import RulesKeeperServiceStub
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from gateway.breaker import CircuitBreaker
from gateway.convert import internal
from gateway.domain.benchmarks import BenchmarkRecord
from gateway.domain.inputs import ConditioningProfile, Ledger, Readiness
from gateway.domain.overlay import Thresholds
from gateway.domain.plan import Ruleset
from gateway.domain.projection import Told
from gateway.domain.session import CheckInRecorded, Erased, Event, TrainingRecorded
from shared import origin, tracing
from shared.errors import DependencyUnavailable
from shared.rpc import deadline, wire
from shared.rpc.options import channel_options
from shared.rpc.peers import aio_channel
from shared.rpc.stream_channel import StreamChannel
from shared.rules_loader import Problem, RulesError
from shared.rules_shelf import UnknownRules
from shared.settings import PeerSettings

# The service may answer later; everything else that it can say is a fault in what was sent to it.
_TRANSIENT = {
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.CANCELLED,
}


class _Method[Request, Response](Protocol):
    """A unary method of a stub."""

    def __call__(
        self, request: Request, *, timeout: float, metadata: tuple[tuple[str, str], ...]
    ) -> Awaitable[Response]: ...


@dataclass(frozen=True)
class Targets:
    """Where the services listen."""

    readiness: str
    debt: str
    conditioning: str


@dataclass(frozen=True)
class KeptRules:
    """A version of a service's rules: its stamp, the document, its YAML, and by rule id whether it can decide."""

    ruleset: Ruleset
    document: Mapping[str, Any]
    text: str
    rule_ids: Mapping[str, bool]


class Services:
    """Stubs of the three services over one channel each."""

    def __init__(self, targets: Targets, monotonic: Callable[[], float], peers: PeerSettings) -> None:
        self._breaker = CircuitBreaker(monotonic)
        self._channels = [
            _channel("readiness", targets.readiness, readiness_pb.DESCRIPTOR, "ReadinessService", peers),
            _channel("debt", targets.debt, debt_pb.DESCRIPTOR, "DebtService", peers),
            _channel("conditioning", targets.conditioning, conditioning_pb.DESCRIPTOR, "ConditioningService", peers),
        ]
        readiness, debt, conditioning = (cast("grpc.aio.Channel", StreamChannel(one)) for one in self._channels)
        self._readiness = ReadinessServiceStub(readiness)
        self._debt = DebtServiceStub(debt)
        self._conditioning = ConditioningServiceStub(conditioning)
        self._erasers = {
            service: ErasureServiceStub(channel)
            for service, channel in (("readiness", readiness), ("debt", debt), ("conditioning", conditioning))
        }
        self._keepers = {
            service: RulesKeeperServiceStub(channel)
            for service, channel in (("readiness", readiness), ("debt", debt), ("conditioning", conditioning))
        }

    async def evaluate(self, check_ins: Sequence[tuple[Mapping[str, int], Thresholds]], rules: str) -> list[Readiness]:
        """The verdicts on at most 256 check-ins, by these rules and the athlete's own bounds.

        Raises DependencyUnavailable.
        """
        request = readiness_pb.BatchEvaluateReadinessRequest(
            check_ins=[internal.to_check_in(check_in) for check_in, _ in check_ins],
            athlete_bounds=[internal.athlete_bounds(own) for _, own in check_ins],
            content_hash=rules,
        )
        answer = await self._call("readiness", self._readiness.BatchEvaluateReadiness, request)
        ruleset = internal.ruleset(answer.ruleset)
        return [internal.readiness(verdict, ruleset) for verdict in answer.verdicts]

    async def ledgers(self, moments: Sequence[tuple[UUID, datetime]], rules: str) -> list[Ledger]:
        """What is due for athletes, at most 256, each at a moment, by this version of the rules.

        Raises DependencyUnavailable.
        """
        request = debt_pb.BatchGetLedgersRequest(
            athlete_ids=[str(athlete_id) for athlete_id, _ in moments],
            content_hash=rules,
            times=[wire.to_timestamp(time) for _, time in moments],
        )
        answer = await self._call("debt", self._debt.BatchGetLedgers, request)
        ruleset = internal.ruleset(answer.ruleset)
        return [internal.ledger(ledger, ruleset) for ledger in answer.ledgers]

    async def rank(self, told: Sequence[Told], rules: str) -> list[Ledger]:
        """What would be due by these facts, at most 256. Raises DependencyUnavailable."""
        request = debt_pb.BatchRankLedgersRequest(ledgers=map(internal.told_ledger, told), content_hash=rules)
        answer = await self._call("debt", self._debt.BatchRankLedgers, request)
        ruleset = internal.ruleset(answer.ruleset)
        return [internal.ledger(ledger, ruleset) for ledger in answer.ledgers]

    async def profiles(self, moments: Sequence[tuple[UUID, datetime]], rules: str) -> list[ConditioningProfile]:
        """Levels, benchmarks and work of athletes, at most 256, each at a moment, by this version of the rules.

        Raises DependencyUnavailable.
        """
        request = conditioning_pb.BatchPrescribeRequest(
            athlete_ids=[str(athlete_id) for athlete_id, _ in moments],
            content_hash=rules,
            times=[wire.to_timestamp(time) for _, time in moments],
        )
        answer = await self._call("conditioning", self._conditioning.BatchPrescribe, request)
        ruleset = internal.ruleset(answer.ruleset)
        return [internal.profile(profile, ruleset) for profile in answer.profiles]

    async def prescribe(self, told: Sequence[Told], rules: str) -> list[ConditioningProfile]:
        """What would be prescribed by these facts, at most 256. Raises DependencyUnavailable."""
        profiles = map(internal.told_profile, told)
        request = conditioning_pb.BatchPrescribeForRequest(profiles=profiles, content_hash=rules)
        answer = await self._call("conditioning", self._conditioning.BatchPrescribeFor, request)
        ruleset = internal.ruleset(answer.ruleset)
        return [internal.profile(profile, ruleset) for profile in answer.profiles]

    async def benchmarks(
        self, athlete_id: UUID, limit: int, place: tuple[datetime, UUID] | None, rules: str, time: datetime
    ) -> list[BenchmarkRecord]:
        """At most `limit` benchmarks, newest first, from a place on. Raises DependencyUnavailable."""
        query = internal.benchmarks_query(athlete_id, limit, place)
        request = conditioning_pb.BatchListBenchmarksRequest(
            queries=[query], content_hash=rules, time=wire.to_timestamp(time)
        )
        answer = await self._call("conditioning", self._conditioning.BatchListBenchmarks, request)
        return list(map(internal.benchmark_record, answer.histories[0].records))

    async def put_rules(self, service: str, yaml: str, *, validate_only: bool) -> Ruleset:
        """Hands a service its part of a ruleset. Raises RulesError, DependencyUnavailable."""
        request = keeper_pb.PutRulesRequest(yaml=yaml, validate_only=validate_only)
        try:
            answer = await self._call(service, self._keepers[service].PutRules, request)
        except grpc.aio.AioRpcError as error:
            problems = _problems(error)
            if not problems:
                raise
            raise RulesError(problems) from error
        return internal.ruleset(answer.ruleset)

    async def get_rules(self, service: str, content_hash: str) -> KeptRules:
        """A version of a service's rules, the shipped default if the hash is empty. Raises DependencyUnavailable."""
        request = keeper_pb.GetRulesRequest(content_hash=content_hash)
        answer = await self._call(service, self._keepers[service].GetRules, request)
        return _kept(answer)

    async def get_shipped_rules(self, service: str, name: str) -> KeptRules:
        """A service's part of a shipped ruleset. Raises UnknownRules, DependencyUnavailable."""
        try:
            answer = await self._call(service, self._keepers[service].GetRules, keeper_pb.GetRulesRequest(name=name))
        except grpc.aio.AioRpcError as error:
            if error.code() is grpc.StatusCode.NOT_FOUND:
                raise UnknownRules(name) from error
            raise
        return _kept(answer)

    async def record_check_ins(self, events: Sequence[tuple[Event, CheckInRecorded]]) -> None:
        """Hands check-ins to readiness. Raises DependencyUnavailable, or grpc.RpcError if they are refused for good."""
        messages = [internal.check_in_event(event, payload) for event, payload in events]
        request = readiness_pb.BatchRecordCheckInsRequest(events=messages)
        await self._call("readiness", self._readiness.BatchRecordCheckIns, request)

    async def record_training(self, events: Sequence[tuple[Event, TrainingRecorded]]) -> None:
        """Hands completed sessions to debt. Raises DependencyUnavailable, or grpc.RpcError if refused for good."""
        messages = [internal.training_event(event, payload) for event, payload in events]
        request = debt_pb.BatchRecordTrainingRequest(events=messages)
        await self._call("debt", self._debt.BatchRecordTraining, request)

    async def record_conditioning(self, events: Sequence[tuple[Event, internal.Conditioned]]) -> None:
        """Hands work and benchmarks to conditioning. Raises DependencyUnavailable, or grpc.RpcError if refused."""
        messages = [internal.conditioning_event(event, payload) for event, payload in events]
        request = conditioning_pb.BatchRecordConditioningRequest(events=messages)
        await self._call("conditioning", self._conditioning.BatchRecordConditioning, request)

    async def erase(self, service: str, events: Sequence[tuple[Event, Erased]]) -> None:
        """Has a service forget athletes. Raises DependencyUnavailable, or grpc.RpcError if refused for good."""
        erasures = [
            erasure_pb.Erasure(athlete_id=str(event.athlete_id), erase_time=wire.to_timestamp(payload.erased_time))
            for event, payload in events
        ]
        request = erasure_pb.BatchEraseAthletesRequest(erasures=erasures)
        await self._call(service, self._erasers[service].BatchEraseAthletes, request)

    async def close(self) -> None:
        """Closes the channels."""
        for channel in self._channels:
            await channel.close()

    async def _call[Request, Response](
        self, service: str, method: _Method[Request, Response], request: Request
    ) -> Response:
        called, seconds = (service, type(request)), deadline.seconds_for_call()
        if not self._breaker.admits(called):
            raise _unavailable(service)
        try:
            answer = await _traced(service, method, request, seconds)
        except grpc.aio.AioRpcError as error:
            if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
                self._breaker.timed_out(called, seconds)
            else:
                self._breaker.answered(called)
            if error.code() in _TRANSIENT:
                raise _unavailable(service) from error
            raise
        self._breaker.answered(called)
        return answer


def _channel(role: str, target: str, descriptor: Any, name: str, peers: PeerSettings) -> grpc.aio.Channel:
    health_name = descriptor.services_by_name[name].full_name
    return aio_channel(target, role, peers, channel_options(health_name))


async def _traced[Request, Response](
    service: str, method: _Method[Request, Response], request: Request, seconds: float
) -> Response:
    with tracing.calling(service, type(request).__name__.removesuffix("Request")) as call:
        try:
            return await method(request, timeout=seconds, metadata=origin.onwards())
        except grpc.aio.AioRpcError as error:
            call.code = error.code().name
            raise


def _unavailable(service: str) -> DependencyUnavailable:
    return DependencyUnavailable(f"{service} does not answer; retry in a moment", service=service)


def _kept(answer: keeper_pb.GetRulesResponse) -> KeptRules:
    rule_ids = {rule.rule_id: rule.can_decide for rule in answer.rules}
    return KeptRules(internal.ruleset(answer.ruleset), wire.from_struct(answer.document), answer.yaml, rule_ids)


def _problems(error: grpc.aio.AioRpcError) -> list[Problem]:
    """What a service finds wrong with rules, from the BadRequest of its answer: fields are file:line."""
    status = rpc_status.from_call(cast("grpc.Call", error))  # it has what a call has
    found = error_details_pb2.BadRequest()
    if status is None or not any(detail.Unpack(found) for detail in status.details):
        return []
    places = ((violation.field.rpartition(":"), violation.description) for violation in found.field_violations)
    return [Problem(file, int(line) if line.isdigit() else 1, description) for (file, _, line), description in places]

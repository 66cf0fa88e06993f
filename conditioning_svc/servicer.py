"""The RPCs of conditioning: proto in, decision, proto out."""

from collections.abc import Iterable
from uuid import UUID

import grpc
from flux.common.v1.training_pb2 import Ruleset
from flux.conditioning.v1 import conditioning_service_pb2 as pb
from flux.conditioning.v1 import conditioning_service_pb2_grpc as pb_grpc

from conditioning_svc import convert
from conditioning_svc.domain import ConditioningEvent, Profile, apply, as_of, check_event, looks_back_to
from conditioning_svc.rules import ConditioningRules
from conditioning_svc.store import ProfileStore
from shared.clock import Clock
from shared.rpc import wire
from shared.rules_loader import Loaded
from shared.rules_shelf import RulesShelf


class ConditioningServicer(pb_grpc.ConditioningServiceServicer):
    """Prescribes by the ruleset that it is told and records verified conditioning."""

    def __init__(self, shelf: RulesShelf[ConditioningRules], store: ProfileStore, clock: Clock) -> None:
        self._shelf = shelf
        self._store = store
        self._clock = clock

    def BatchPrescribe(
        self, request: pb.BatchPrescribeRequest, context: grpc.ServicerContext
    ) -> pb.BatchPrescribeResponse:
        """Prescribes conditioning for every readiness state."""
        athlete_ids = [UUID(athlete_id) for athlete_id in request.athlete_ids]
        rules = self._shelf.get(request.content_hash)
        now = wire.from_timestamp(request.time) if request.HasField("time") else self._clock.now()
        moments = wire.moments(request.times, now, len(athlete_ids))
        profiles = self._store.profiles(athlete_ids, looks_back_to(rules.rules, min(moments)))
        answers = [
            convert.profile(a, as_of(profiles[a], rules.rules, moment), rules.rules, moment)
            for a, moment in zip(athlete_ids, moments, strict=True)
        ]
        return pb.BatchPrescribeResponse(profiles=answers, ruleset=_stamp(rules))

    def BatchPrescribeFor(
        self, request: pb.BatchPrescribeForRequest, context: grpc.ServicerContext
    ) -> pb.BatchPrescribeForResponse:
        """Prescribes for profiles that are told."""
        rules = self._shelf.get(request.content_hash)
        told = [(self._told(item), wire.from_timestamp(item.time)) for item in request.profiles]
        answers = [convert.profile(None, profile, rules.rules, now) for profile, now in told]
        return pb.BatchPrescribeForResponse(profiles=answers, ruleset=_stamp(rules))

    def BatchListBenchmarks(
        self, request: pb.BatchListBenchmarksRequest, context: grpc.ServicerContext
    ) -> pb.BatchListBenchmarksResponse:
        """Lists benchmarks, newest first."""
        rules = self._shelf.get(request.content_hash)
        now = wire.from_timestamp(request.time) if request.HasField("time") else self._clock.now()
        histories = [self._store.history(*convert.benchmarks_query(query)) for query in request.queries]
        return pb.BatchListBenchmarksResponse(
            histories=[
                pb.BenchmarkHistory(records=[convert.benchmark_record(record, rules.rules, now) for record in history])
                for history in histories
            ],
            ruleset=_stamp(rules),
        )

    def BatchRecordConditioning(
        self, request: pb.BatchRecordConditioningRequest, context: grpc.ServicerContext
    ) -> pb.BatchRecordConditioningResponse:
        """Records verified conditioning."""
        self._store.record(self._checked(request.events))
        return pb.BatchRecordConditioningResponse()

    def _told(self, item: pb.ToldProfile) -> Profile:
        profile = convert.told(item.facts)
        for event, rules in self._checked(item.assumed):
            profile = apply(profile, event, rules)
        return profile

    def _checked(self, messages: Iterable[pb.ConditioningEvent]) -> list[tuple[ConditioningEvent, ConditioningRules]]:
        """Events, each with the rules that it was planned by and fits. Raises UnknownLevel, UnknownRules."""
        events = [convert.conditioning_event(message) for message in messages]
        checked = [(event, self._shelf.get(event.content_hash).rules) for event in events]
        for event, rules in checked:
            check_event(event, rules)
        return checked


def _stamp(rules: Loaded[ConditioningRules]) -> Ruleset:
    return wire.to_ruleset("conditioning", rules.rules.ruleset, rules)

"""The RPCs of conditioning: proto in, decision, proto out."""

from uuid import UUID

import grpc
from flux.conditioning.v1 import conditioning_service_pb2 as pb
from flux.conditioning.v1 import conditioning_service_pb2_grpc as pb_grpc

from conditioning_svc import convert
from conditioning_svc.domain import check_events
from conditioning_svc.rules import ConditioningRules
from conditioning_svc.store import ProfileStore
from shared.rpc import wire
from shared.rules_loader import Loaded


class ConditioningServicer(pb_grpc.ConditioningServiceServicer):
    """Prescribes by one ruleset and records verified conditioning."""

    def __init__(self, rules: Loaded[ConditioningRules], store: ProfileStore) -> None:
        self._rules = rules
        self._store = store
        self._ruleset = wire.to_ruleset("conditioning", rules.rules.ruleset, rules)

    def BatchPrescribe(
        self, request: pb.BatchPrescribeRequest, context: grpc.ServicerContext
    ) -> pb.BatchPrescribeResponse:
        """Prescribes conditioning for every readiness state."""
        athlete_ids = [UUID(athlete_id) for athlete_id in request.athlete_ids]
        profiles = self._store.profiles(athlete_ids)
        answers = [convert.profile(a, profiles[a], self._rules.rules) for a in athlete_ids]
        return pb.BatchPrescribeResponse(profiles=answers, ruleset=self._ruleset)

    def BatchRecordConditioning(
        self, request: pb.BatchRecordConditioningRequest, context: grpc.ServicerContext
    ) -> pb.BatchRecordConditioningResponse:
        """Records verified conditioning."""
        events = [convert.conditioning_event(event) for event in request.events]
        check_events(events, self._rules.rules)
        self._store.record(events, self._rules.rules)
        return pb.BatchRecordConditioningResponse()

    def GetRules(self, request: pb.GetRulesRequest, context: grpc.ServicerContext) -> pb.GetRulesResponse:
        """Shows the rules in force."""
        return pb.GetRulesResponse(ruleset=self._ruleset, document=wire.to_struct(self._rules))

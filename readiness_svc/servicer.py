"""The RPCs of readiness: proto in, decision, proto out."""

import grpc
from flux.readiness.v1 import readiness_service_pb2 as pb
from flux.readiness.v1 import readiness_service_pb2_grpc as pb_grpc

from readiness_svc import convert
from readiness_svc.domain import evaluate
from readiness_svc.rules import ReadinessRules
from readiness_svc.store import CheckInStore
from shared.rpc import wire
from shared.rules_loader import Loaded


class ReadinessServicer(pb_grpc.ReadinessServiceServicer):
    """Grades check-ins by one ruleset and keeps those of started sessions."""

    def __init__(self, rules: Loaded[ReadinessRules], store: CheckInStore) -> None:
        self._rules = rules
        self._store = store
        self._ruleset = wire.to_ruleset("readiness", rules.rules.ruleset, rules)

    def BatchEvaluateReadiness(
        self, request: pb.BatchEvaluateReadinessRequest, context: grpc.ServicerContext
    ) -> pb.BatchEvaluateReadinessResponse:
        """Grades check-ins."""
        verdicts = [evaluate(convert.check_in(check_in), self._rules.rules) for check_in in request.check_ins]
        return pb.BatchEvaluateReadinessResponse(verdicts=map(convert.verdict, verdicts), ruleset=self._ruleset)

    def BatchRecordCheckIns(
        self, request: pb.BatchRecordCheckInsRequest, context: grpc.ServicerContext
    ) -> pb.BatchRecordCheckInsResponse:
        """Keeps check-ins."""
        self._store.record([convert.recorded(event) for event in request.events])
        return pb.BatchRecordCheckInsResponse()

    def GetRules(self, request: pb.GetRulesRequest, context: grpc.ServicerContext) -> pb.GetRulesResponse:
        """Shows the rules in force."""
        return pb.GetRulesResponse(ruleset=self._ruleset, document=wire.to_struct(self._rules))

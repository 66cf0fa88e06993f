"""The RPCs of readiness: proto in, decision, proto out."""

import grpc
from flux.common.v1.training_pb2 import Ruleset
from flux.readiness.v1 import readiness_service_pb2 as pb
from flux.readiness.v1 import readiness_service_pb2_grpc as pb_grpc

from readiness_svc import convert
from readiness_svc.domain import evaluate
from readiness_svc.rules import ReadinessRules
from readiness_svc.store import CheckInStore
from shared.rpc import wire
from shared.rules_loader import Loaded
from shared.rules_shelf import RulesShelf


class ReadinessServicer(pb_grpc.ReadinessServiceServicer):
    """Grades check-ins by the ruleset that it is told and keeps those of started sessions."""

    def __init__(self, shelf: RulesShelf[ReadinessRules], store: CheckInStore) -> None:
        self._shelf = shelf
        self._store = store

    def BatchEvaluateReadiness(
        self, request: pb.BatchEvaluateReadinessRequest, context: grpc.ServicerContext
    ) -> pb.BatchEvaluateReadinessResponse:
        """Grades check-ins."""
        rules = self._shelf.get(request.content_hash)
        verdicts = [evaluate(check_in, rules.rules, own) for check_in, own in convert.graded(request)]
        return pb.BatchEvaluateReadinessResponse(verdicts=map(convert.verdict, verdicts), ruleset=_stamp(rules))

    def BatchRecordCheckIns(
        self, request: pb.BatchRecordCheckInsRequest, context: grpc.ServicerContext
    ) -> pb.BatchRecordCheckInsResponse:
        """Keeps check-ins."""
        self._store.record([convert.recorded(event) for event in request.events])
        return pb.BatchRecordCheckInsResponse()


def _stamp(rules: Loaded[ReadinessRules]) -> Ruleset:
    return wire.to_ruleset("readiness", rules.rules.ruleset, rules)

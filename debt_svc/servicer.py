"""The RPCs of debt: proto in, decision, proto out."""

from uuid import UUID

import grpc
from flux.debt.v1 import debt_service_pb2 as pb
from flux.debt.v1 import debt_service_pb2_grpc as pb_grpc

from debt_svc import convert
from debt_svc.domain import check_slots, rank
from debt_svc.rules import DebtRules
from debt_svc.store import LedgerStore
from shared.clock import Clock
from shared.rpc import wire
from shared.rules_loader import Loaded


class DebtServicer(pb_grpc.DebtServiceServicer):
    """Ranks slots by one ruleset and records completed sessions."""

    def __init__(self, rules: Loaded[DebtRules], store: LedgerStore, clock: Clock) -> None:
        self._rules = rules
        self._store = store
        self._clock = clock
        self._ruleset = wire.to_ruleset("debt", rules.rules.ruleset, rules)

    def BatchGetLedgers(
        self, request: pb.BatchGetLedgersRequest, context: grpc.ServicerContext
    ) -> pb.BatchGetLedgersResponse:
        """Ranks the slots of every rotation, most due first."""
        now = self._clock.now()
        athlete_ids = [UUID(athlete_id) for athlete_id in request.athlete_ids]
        ledgers = self._store.ledgers(athlete_ids)
        answers = [convert.ledger(a, ledgers[a], rank(ledgers[a], self._rules.rules, now)) for a in athlete_ids]
        return pb.BatchGetLedgersResponse(ledgers=answers, ruleset=self._ruleset)

    def BatchRecordTraining(
        self, request: pb.BatchRecordTrainingRequest, context: grpc.ServicerContext
    ) -> pb.BatchRecordTrainingResponse:
        """Records completed sessions."""
        events = [convert.training_event(event) for event in request.events]
        check_slots((slot for event in events for slot in event.slots), self._rules.rules)
        self._store.record(events)
        return pb.BatchRecordTrainingResponse()

    def GetRules(self, request: pb.GetRulesRequest, context: grpc.ServicerContext) -> pb.GetRulesResponse:
        """Shows the rules in force."""
        return pb.GetRulesResponse(ruleset=self._ruleset, document=wire.to_struct(self._rules))

"""The RPCs of debt: proto in, decision, proto out."""

from collections.abc import Iterable
from functools import reduce
from uuid import UUID

import grpc
from flux.common.v1.training_pb2 import Ruleset
from flux.debt.v1 import debt_service_pb2 as pb
from flux.debt.v1 import debt_service_pb2_grpc as pb_grpc

from debt_svc import convert
from debt_svc.domain import Ledger, TrainingEvent, apply, check_slots, rank
from debt_svc.rules import DebtRules
from debt_svc.store import LedgerStore
from shared.clock import Clock
from shared.rpc import wire
from shared.rules_loader import Loaded
from shared.rules_shelf import RulesShelf


class DebtServicer(pb_grpc.DebtServiceServicer):
    """Ranks slots by the ruleset that it is told and records completed sessions."""

    def __init__(self, shelf: RulesShelf[DebtRules], store: LedgerStore, clock: Clock) -> None:
        self._shelf = shelf
        self._store = store
        self._clock = clock

    def BatchGetLedgers(
        self, request: pb.BatchGetLedgersRequest, context: grpc.ServicerContext
    ) -> pb.BatchGetLedgersResponse:
        """Ranks the slots of every rotation, most due first."""
        rules = self._shelf.get(request.content_hash)
        now = wire.from_timestamp(request.time) if request.HasField("time") else self._clock.now()
        athlete_ids = [UUID(athlete_id) for athlete_id in request.athlete_ids]
        moments = wire.moments(request.times, now, len(athlete_ids))
        ledgers = self._store.ledgers(athlete_ids)
        answers = [
            convert.ledger(a, ledgers[a], rank(ledgers[a], rules.rules, moment))
            for a, moment in zip(athlete_ids, moments, strict=True)
        ]
        return pb.BatchGetLedgersResponse(ledgers=answers, ruleset=_stamp(rules))

    def BatchRankLedgers(
        self, request: pb.BatchRankLedgersRequest, context: grpc.ServicerContext
    ) -> pb.BatchRankLedgersResponse:
        """Ranks the slots of ledgers that are told."""
        rules = self._shelf.get(request.content_hash)
        told = [(self._told(item), wire.from_timestamp(item.time)) for item in request.ledgers]
        answers = [convert.ledger(None, ledger, rank(ledger, rules.rules, now)) for ledger, now in told]
        return pb.BatchRankLedgersResponse(ledgers=answers, ruleset=_stamp(rules))

    def BatchRecordTraining(
        self, request: pb.BatchRecordTrainingRequest, context: grpc.ServicerContext
    ) -> pb.BatchRecordTrainingResponse:
        """Records completed sessions."""
        self._store.record(self._checked(request.events))
        return pb.BatchRecordTrainingResponse()

    def _told(self, item: pb.ToldLedger) -> Ledger:
        return reduce(apply, self._checked(item.assumed), convert.told(item.facts))

    def _checked(self, messages: Iterable[pb.TrainingEvent]) -> list[TrainingEvent]:
        """Events whose slots take turns by the rules that they were planned by. Raises UnknownSlot, UnknownRules."""
        events = [convert.training_event(message) for message in messages]
        for event in events:
            check_slots(event.slots, self._shelf.get(event.content_hash).rules)
        return events


def _stamp(rules: Loaded[DebtRules]) -> Ruleset:
    return wire.to_ruleset("debt", rules.rules.ruleset, rules)

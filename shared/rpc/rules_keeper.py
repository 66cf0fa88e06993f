"""The RPCs by which a service keeps versions of its rules; the same for every service."""

from collections.abc import Callable, Mapping
from typing import Protocol

import grpc
from flux.common.v1.training_pb2 import Ruleset
from flux.rules.v1 import keeper_service_pb2 as pb
from flux.rules.v1 import keeper_service_pb2_grpc as pb_grpc
from flux.rules.v1.coverage_pb2 import RuleId

from shared.rpc import wire
from shared.rules_loader import Loaded
from shared.rules_shelf import RulesShelf


class NamedRules(Protocol):
    """Rules that say which ruleset they belong to."""

    @property
    def ruleset(self) -> str:
        """Name of the ruleset."""
        ...


class RulesKeeper[T: NamedRules](pb_grpc.RulesKeeperServiceServicer):
    """Keeps the rules of one service."""

    def __init__(self, service: str, shelf: RulesShelf[T], rule_ids: Callable[[T], Mapping[str, bool]]) -> None:
        self._service = service
        self._shelf = shelf
        self._rule_ids = rule_ids

    def PutRules(self, request: pb.PutRulesRequest, context: grpc.ServicerContext) -> pb.PutRulesResponse:
        """Keeps a version of the rules, or only checks it."""
        rules = self._shelf.put(request.yaml, validate_only=request.validate_only)
        return pb.PutRulesResponse(ruleset=stamp(self._service, rules))

    def GetRules(self, request: pb.GetRulesRequest, context: grpc.ServicerContext) -> pb.GetRulesResponse:
        """Gets one version of the rules."""
        rules = self._shelf.named(request.name) if request.name else self._shelf.get(request.content_hash)
        return pb.GetRulesResponse(
            ruleset=stamp(self._service, rules),
            document=wire.to_struct(rules),
            yaml=rules.text,
            rules=[
                RuleId(rule_id=rule_id, can_decide=can_decide)
                for rule_id, can_decide in self._rule_ids(rules.rules).items()
            ],
        )


def stamp(service: str, rules: Loaded[NamedRules]) -> Ruleset:
    """The version stamp of the rules of a service."""
    return wire.to_ruleset(service, rules.rules.ruleset, rules)

"""What every service does: show the rules that it decides by, and stamp what it decided."""

from collections.abc import Callable, Mapping
from importlib.resources import files
from typing import Any

import yaml
from flux.conditioning.v1 import conditioning_service_pb2 as conditioning_pb
from flux.debt.v1 import debt_service_pb2 as debt_pb
from flux.rules.v1 import keeper_service_pb2 as keeper_pb
from google.protobuf.json_format import MessageToDict

import conditioning_svc.app
import conditioning_svc.domain
import conditioning_svc.store
import debt_svc.app
import debt_svc.domain
import debt_svc.store
import readiness_svc.app
import readiness_svc.domain
import readiness_svc.store
from conditioning_svc.rules import ConditioningRules
from debt_svc.rules import DebtRules
from readiness_svc.rules import ReadinessRules
from shared.rpc.rules_keeper import RulesKeeper
from shared.rules_loader import Loaded
from shared.rules_shelf import RulesShelf
from tests.integration.service_helpers import ATHLETE, CONDITIONING, DEBT, READINESS
from tests.integration.services.helpers import Call, calls, graded


def test_every_service_shows_the_rules_it_decides_by(
    readiness_shelf: RulesShelf[ReadinessRules],
    debt_shelf: RulesShelf[DebtRules],
    conditioning_shelf: RulesShelf[ConditioningRules],
) -> None:
    cases: list[tuple[str, RulesShelf[Any], Loaded[Any], Callable[[Any], Mapping[str, bool]]]] = [
        ("readiness", readiness_shelf, READINESS, readiness_svc.domain.rule_ids),
        ("debt", debt_shelf, DEBT, debt_svc.domain.rule_ids),
        ("conditioning", conditioning_shelf, CONDITIONING, conditioning_svc.domain.rule_ids),
    ]
    for service, shelf, loaded, rule_ids in cases:
        call = calls(RulesKeeper(service, shelf, rule_ids), keeper_pb, "RulesKeeperService")
        text = (files(f"{service}_svc") / "rules.yaml").read_text(encoding="utf-8")
        for wanted in ("", loaded.content_hash):
            answer = call("GetRules", keeper_pb.GetRulesRequest(content_hash=wanted))
            stamp = (answer.ruleset.service, answer.ruleset.name, answer.ruleset.content_hash)
            assert stamp == (service, "classic", loaded.content_hash)
            assert MessageToDict(answer.document) == yaml.safe_load(text)
            assert answer.yaml == text
            assert {rule.rule_id: rule.can_decide for rule in answer.rules} == rule_ids(loaded.rules)


def test_every_decision_is_stamped_with_the_rules_that_made_it(readiness: Call, debt: Call, conditioning: Call) -> None:
    stamps = [
        graded(readiness, (0, 10)).ruleset,
        debt("BatchGetLedgers", debt_pb.BatchGetLedgersRequest(athlete_ids=[str(ATHLETE)])).ruleset,
        conditioning("BatchPrescribe", conditioning_pb.BatchPrescribeRequest(athlete_ids=[str(ATHLETE)])).ruleset,
    ]
    assert [(stamp.service, stamp.content_hash) for stamp in stamps] == [
        ("readiness", READINESS.content_hash),
        ("debt", DEBT.content_hash),
        ("conditioning", CONDITIONING.content_hash),
    ]

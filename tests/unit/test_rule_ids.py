"""The list of what can decide: nothing else ever decides, and all that is said to be able to does so somewhere."""

from collections.abc import Iterator
from functools import cache
from itertools import product

import pytest

import conditioning_svc.domain
import debt_svc.domain
import gateway.rules
import readiness_svc.domain
from conditioning_svc.rules import StateName
from tests.integration.ruleset_helpers import changed
from tests.rulesets.engine import NAMES, Rules, Texts, problems, shipped
from tests.rulesets.observed import DAYS, NOW, PATTERNS, conditioned, due, profiles


def rule_ids(rules: Rules) -> dict[str, bool]:
    others = {
        **readiness_svc.domain.rule_ids(rules.readiness.rules),
        **debt_svc.domain.rule_ids(rules.debt.rules),
        **conditioning_svc.domain.rule_ids(rules.conditioning.rules),
    }
    return gateway.rules.rule_ids(rules.session.rules, others)


def decided(rules: Rules) -> set[str]:
    """Every rule that decides anything on a grid of days."""
    return set(_in_plans(rules)) | {
        decision.rule_id
        for known, state in product(profiles(), StateName)
        for decision in conditioning_svc.domain.prescribe(known, state, rules.conditioning.rules, NOW).decisions
    }


def _in_plans(rules: Rules) -> Iterator[str]:
    profile = rules.prescribe(conditioned(), NOW)
    sides = ("VERTICAL", "HORIZONTAL")
    for day, anchor, core, side in product(DAYS, PATTERNS, ("TRANSVERSE", "SAGITTAL", "FRONTAL"), sides):
        ledger = rules.rank(due(anchor, core=f"CORE:{core}", push=f"PUSH:ACCESSORY_{side}"), NOW)
        plan = rules.plan(rules.evaluate(*day), ledger, profile, NOW)
        yield from (decision.rule_id for decision in plan.decisions)


@cache
def outcome(name: str) -> tuple[dict[str, bool], set[str]]:
    rules = Rules.of(RULESETS[name])
    return rule_ids(rules), decided(rules)


RULESETS: dict[str, Texts] = {
    **{name: shipped(name) for name in NAMES},
    # An accessory that ORANGE days leave out, and a state that is kept from time trials.
    "gaps": changed(
        "gaps",
        ("session", ", ORANGE: [SL Knee Extension Iso]}", "}"),
        ("conditioning", "benchmark_states: [GREEN, ORANGE]", "benchmark_states: [GREEN]"),
        ("conditioning", "all_out_states: [GREEN, ORANGE]", "all_out_states: [GREEN]"),
    ),
}


@pytest.mark.parametrize("name", RULESETS)
def test_what_decides_is_listed_and_what_is_said_to_be_able_to_decides(name: str) -> None:
    assert problems(RULESETS[name]) == []
    listed, fired = outcome(name)
    assert fired == {rule_id for rule_id, can_decide in listed.items() if can_decide}


def test_what_never_can_is_a_reserve_or_left_nothing_to_decide() -> None:
    listed, _ = outcome("classic")
    assert [rule_id for rule_id, can_decide in listed.items() if not can_decide] == [
        "debt.rotations.PULL:ACCESSORY",  # its slot always complements one of PUSH:ACCESSORY
        "conditioning.benchmark_states",
        "conditioning.all_out_states",
        "session.tiers.RFD.RED",
        "session.selections.RFD:UPPER.DEFAULT",
    ]
    by_evidence, _ = outcome("evidence")
    assert [rule_id for rule_id, can_decide in by_evidence.items() if not can_decide] == [
        "debt.rotations.PULL:ACCESSORY",
        "session.tiers.RFD.RED",
        "session.selections.RFD:UPPER.DEFAULT",
    ]


def test_a_day_without_an_exercise_has_a_rule_of_its_own() -> None:
    assert outcome("gaps")[0]["session.selections.SQUAT:ACCESSORY"]
    assert "session.selections.SQUAT:ACCESSORY" not in outcome("classic")[0]
    assert outcome("gaps")[0]["conditioning.benchmark_states"]


@pytest.mark.parametrize(
    ("limits", "able"),
    [
        ("hard_sessions_per_week: 3", {"", ".hard_sessions_per_week"}),
        ("sit_sessions_per_week: 2", {".sit_sessions_per_week"}),
        ("sit_on_consecutive_days: false", {".sit_on_consecutive_days"}),
        (
            "hard_sessions_per_week: 2, sit_sessions_per_week: 2, sit_on_consecutive_days: false",
            {"", ".hard_sessions_per_week", ".sit_on_consecutive_days"},
        ),
        ("sit_sessions_per_week: 1, sit_on_consecutive_days: false", {".sit_sessions_per_week"}),
    ],
)
def test_a_limit_that_another_one_always_comes_before_never_can(limits: str, able: set[str]) -> None:
    rules = Rules.of(changed("limited", ("conditioning", "at_top: HOLD}", f"at_top: HOLD}}\nlimits: {{{limits}}}")))
    listed = {rule_id for rule_id, can in rule_ids(rules).items() if can and rule_id.startswith("conditioning.limits")}
    assert listed == {f"conditioning.limits{path}" for path in able}
    assert {rule_id for rule_id in decided(rules) if rule_id.startswith("conditioning.limits")} == listed

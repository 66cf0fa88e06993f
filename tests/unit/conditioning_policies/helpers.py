"""Conditioning's policies one by one: rules, profiles and prescriptions for their tests."""

from dataclasses import replace
from uuid import UUID

from conditioning_svc.domain import Benchmark, Prescription, Profile, Standing, prescribe
from conditioning_svc.rules import ConditioningRules, LayoffStep, Limits, Protocol, StateName
from shared.decision import Decision
from tests.unit.builders import BIKE, CONDITIONING, NOW, days_ago

CLASSIC = CONDITIONING.rules
HIIT, SIT, SS = Protocol.HIIT, Protocol.SIT, Protocol.SS
GREEN, ORANGE, RED = StateName
LAYOFF = (LayoffStep(15, levels_down=1), LayoffStep(29, levels_down=2), LayoffStep(57, retest=True))


def limited(
    *,
    hard_sessions_per_week: int | None = None,
    sit_sessions_per_week: int | None = None,
    sit_on_consecutive_days: bool = True,
) -> ConditioningRules:
    limits = Limits(hard_sessions_per_week, sit_sessions_per_week, sit_on_consecutive_days)
    return replace(CLASSIC, limits=limits)


def only(protocol: Protocol, rules: ConditioningRules) -> ConditioningRules:
    """The rules, but with one protocol for good days."""
    return replace(rules, by_state={**rules.by_state, GREEN: (protocol,), ORANGE: (protocol,)})


def told(work: Prescription, rule: str) -> Decision:
    """The one decision by a rule."""
    (found,) = (decision for decision in work.decisions if decision.rule_id == rule)
    return found


def at(protocol: Protocol, level: int, rules: ConditioningRules, *, ago: float, measured: float = 0) -> Prescription:
    """The work of an athlete at a level, whose last work and benchmark are so many days old."""
    known = Profile(
        {protocol: Standing(level, 0, days_ago(ago))}, {(HIIT, BIKE): Benchmark(200, days_ago(measured), UUID(int=3))}
    )
    return prescribe(known, GREEN, only(protocol, rules), NOW)

"""Policies that cannot be meant."""

from collections.abc import Mapping
from dataclasses import replace
from importlib.resources import files
from itertools import chain

import pytest

from conditioning_svc.rules import AtTop, ConditioningRules, Progression
from shared.rules_loader import RulesError, load_text
from tests.unit.conditioning_policies.helpers import CLASSIC, HIIT, LAYOFF, SIT, limited

TEXT = (files("conditioning_svc") / "rules.yaml").read_text(encoding="utf-8")
CHANGES: Mapping[str, tuple[str, str, str]] = {
    "a time trial on RED": ("benchmark_states: [GREEN, ORANGE]", "benchmark_states: [GREEN, RED]",
                            "RED must not be asked for BENCHMARK"),
    "all-out on ORANGE only": ("all_out_states: [GREEN, ORANGE]", "all_out_states: [ORANGE]",
                               "what ORANGE may be asked for, GREEN may be too: ALL_OUT"),
    "no state for the time trial": ("benchmark_states: [GREEN, ORANGE]", "benchmark_states: []",
                                    "no state that trains HIIT allows BENCHMARK, so a level of it is unreachable"),
    "unknown policy": ("{at_top: HOLD}", "{at_top: STAY}", "unknown value 'STAY'"),
    "unknown key": ("{at_top: HOLD}", "{at_tip: HOLD}", "unknown key 'at_tip'; did you mean 'at_top'?"),
    "null": ("progression: {at_top: HOLD}", "limits: {hard_sessions_per_week: null}", "must be a whole number"),
    "stale at once": ("progression: {at_top: HOLD}", "benchmarks: {stale_after_days: 0}", "must be at least 1"),
    "limit of nothing": ("progression: {at_top: HOLD}", "limits: {}", "these limits allow everything"),
    "limit of none": ("progression: {at_top: HOLD}", "limits: {sit_sessions_per_week: 0}", "must be at least 1"),
    "limit never reached": ("progression: {at_top: HOLD}",
                            "limits: {hard_sessions_per_week: 2, sit_sessions_per_week: 3}",
                            "SIT is hard too: 2 hard sessions come before 3 of SIT"),
    "step of nothing": ("progression: {at_top: HOLD}", "layoff: [{after_days: 9}]", "exactly one of levels_down"),
    "step of two things": ("progression: {at_top: HOLD}", "layoff: [{after_days: 9, levels_down: 1, retest: true}]",
                           "exactly one of levels_down"),
    "step at once": ("progression: {at_top: HOLD}", "layoff: [{after_days: 0, levels_down: 1}]", "at least 1"),
    "step up": ("progression: {at_top: HOLD}", "layoff: [{after_days: 9, levels_down: -1}]", "at least 1"),
    "steps back in time": ("progression: {at_top: HOLD}",
                           "layoff: [{after_days: 9, levels_down: 1}, {after_days: 9, levels_down: 2}]",
                           "after_days must rise from step to step"),
    "steps that do not lower": ("progression: {at_top: HOLD}",
                                "layoff: [{after_days: 9, levels_down: 2}, {after_days: 10, levels_down: 2}]",
                                "levels_down must rise from step to step"),
    "step after a re-test": ("progression: {at_top: HOLD}",
                             "layoff: [{after_days: 9, retest: true}, {after_days: 10, levels_down: 2}]",
                             "nothing comes after a step with retest: true"),
    "protocol on ORANGE only": ("GREEN: [HIIT, SIT]\n", "GREEN: [SIT]\n",
                                "ORANGE must not train HIIT, which GREEN does not train"),
    "SIT on ORANGE only": ("GREEN: [HIIT, SIT]\n", "GREEN: [HIIT]\n",
                           "ORANGE must not train a harder protocol than GREEN"),
    "easy turn skipped on ORANGE": ("ORANGE: [HIIT, SIT]", "ORANGE: [SIT]",
                                    "ORANGE would train SIT when it is the turn of HIIT on a GREEN day"),
    "ties settled otherwise on ORANGE": ("ORANGE: [HIIT, SIT]", "ORANGE: [SIT, HIIT]",
                                         "ORANGE must name its protocols in the order of GREEN"),
    "hard SS": ("effort: CONVERSATIONAL, text: zone 2", "effort: ALL_OUT", "SS must be conversational"),
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
def test_rules_that_cannot_be_meant_are_refused_where_they_stand(change: str) -> None:
    old, new, said = CHANGES[change]
    assert TEXT.count(old) == 1
    with pytest.raises(RulesError) as caught:
        load_text(TEXT.replace(old, new), ConditioningRules, file="conditioning.yaml")
    assert any(said in problem.message and problem.line > 1 for problem in caught.value.problems), str(caught.value)


def test_retest_without_any_time_trial_is_refused() -> None:
    bare = replace(CLASSIC.protocols[HIIT], levels=CLASSIC.protocols[SIT].levels)
    rules = replace(
        CLASSIC, protocols={**CLASSIC.protocols, HIIT: bare}, progression=Progression(AtTop.RETEST), layoff=LAYOFF
    )
    assert [path for path, _ in rules.problems()] == [("progression", "at_top"), ("layoff", 2, "retest")]


def test_limits_on_work_that_is_never_counted_are_refused() -> None:
    ladder = replace(CLASSIC.protocols[SIT], progressive=False)
    rules = replace(limited(sit_sessions_per_week=1), protocols={**CLASSIC.protocols, SIT: ladder})
    assert "only levels that move are counted" in "".join(chain.from_iterable(m for _, m in rules.problems()))


def test_rules_that_were_kept_before_mean_the_same() -> None:
    """Whatever came later is optional, and its absence is how it was."""
    later = ("benchmark_states", "all_out_states", "progression")
    text = "\n".join(line for line in TEXT.splitlines() if not line.startswith(later))
    assert load_text(text, ConditioningRules, file="conditioning.yaml").rules == CLASSIC

"""All policies of conditioning together."""

from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from conditioning_svc import convert
from conditioning_svc.domain import Benchmark, Done, Profile, Standing, prescribe
from conditioning_svc.rules import AtTop, BenchmarkRules, ConditioningRules, Effort, Limits, Progression, StateName
from tests.unit.builders import BIKE, NOW
from tests.unit.conditioning_policies.helpers import CLASSIC, GREEN, HIIT, LAYOFF, ORANGE, SIT, SS

policies = st.builds(
    lambda limits, layoff, stale, top, trials: replace(
        CLASSIC, limits=limits, layoff=layoff, benchmarks=stale, progression=Progression(top), benchmark_states=trials
    ),
    st.none() | st.builds(Limits, st.integers(2, 4), st.integers(1, 2), st.booleans()),
    st.sampled_from([(), LAYOFF[:1], LAYOFF[:2], LAYOFF]),
    st.none() | st.builds(BenchmarkRules, st.integers(1, 90)),
    st.sampled_from(AtTop),
    st.sampled_from([(GREEN,), (GREEN, ORANGE)]),
)
moments = st.integers(0, 100 * 24).map(lambda hours: NOW - timedelta(hours=hours))
standings = st.builds(Standing, st.integers(1, 7), st.integers(0, 1), st.none() | moments)
profiles = st.builds(
    lambda hiit, sit, measured, recent: Profile(
        {HIIT: hiit, SIT: sit}, {} if measured is None else {(HIIT, BIKE): measured}, tuple(recent)
    ),
    standings,
    standings,
    st.none() | st.builds(Benchmark, st.integers(40, 700), moments, st.just(UUID(int=1))),
    st.lists(st.builds(Done, st.sampled_from([HIIT, SIT]), moments), max_size=6),
)


@given(policies, profiles, st.sampled_from(StateName))
def test_every_prescription_is_whole_and_explained(rules: ConditioningRules, known: Profile, state: StateName) -> None:
    work = prescribe(known, state, rules, NOW)
    ladder = rules.protocols[work.protocol]
    assert 1 <= work.level <= known.standing(work.protocol, ladder).level
    assert rules.allows(work.effort, state)
    assert work.protocol in (*rules.by_state[state], SS)
    assert (work.target_watts is not None) == (work.effort is Effort.TARGET_WATTS)
    first, *others = work.decisions
    assert (first.subject, first.outcome) == ("conditioning", work.protocol.value)
    assert all(decision.rule_id.startswith("conditioning.") for decision in work.decisions)
    assert all(decision.sentence.endswith(".") for decision in work.decisions)
    assert all(decision.subject != "conditioning" for decision in others)


@given(policies, profiles)
def test_worse_state_is_never_harder_whatever_the_policies(rules: ConditioningRules, known: Profile) -> None:
    hardness = {SS: 1, HIIT: 2, SIT: 3}
    works = [prescribe(known, state, rules, NOW) for state in StateName]
    for better, worse in pairwise(works):
        assert hardness[worse.protocol] <= hardness[better.protocol]
        if worse.protocol is better.protocol:
            assert (worse.level, worse.effort, worse.target_watts) == (better.level, better.effort, better.target_watts)


@given(policies, profiles, st.sampled_from(StateName))
def test_facts_are_all_that_a_prescription_depends_on(
    rules: ConditioningRules, known: Profile, state: StateName
) -> None:
    again = convert.told(convert.facts(known))
    assert prescribe(again, state, rules, NOW) == prescribe(known, state, rules, NOW)

"""Readiness: the table of states, its margins, and what a verdict says of itself."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from readiness_svc.domain import evaluate, grade
from readiness_svc.rules import SCALE, Archetype, Bands, Direction, ReadinessRules, State, StateName
from tests.unit.builders import READINESS

RULES = READINESS.rules
GRID = list(product(range(11), range(11)))

# The product's table, written out answer by answer: index is the answer, from 0 to 10.
KNEE_PAIN = "GGGGOORRRRR"
ENERGY = "RRROOGGGGGG"
SEVERITY = "GOR"

SLEEP = Bands(Direction.LOWER, 4, 7)
WITH_SLEEP = ReadinessRules("with sleep", {**RULES.signals, "sleep": SLEEP}, RULES.archetypes)

answers = st.integers(SCALE.start, SCALE.stop - 1)


def state_of(knee_pain: int, energy: int) -> State:
    return evaluate({"knee_pain": knee_pain, "energy": energy}, RULES).state


@pytest.mark.parametrize("knee_pain", range(11))
def test_every_cell_of_the_grid_has_the_state_of_the_table(knee_pain: int) -> None:
    for energy in range(11):
        worst = max(KNEE_PAIN[knee_pain], ENERGY[energy], key=SEVERITY.index)
        assert state_of(knee_pain, energy).name[0] == worst, (knee_pain, energy)


def test_green_when_pain_is_just_below_the_lower_threshold() -> None:
    assert state_of(3, 10) is State.GREEN


def test_orange_when_pain_is_at_lower_threshold() -> None:
    assert state_of(4, 10) is State.ORANGE


def test_orange_when_pain_is_just_below_the_upper_threshold() -> None:
    assert state_of(5, 10) is State.ORANGE


def test_red_when_pain_is_at_upper_threshold() -> None:
    assert state_of(6, 10) is State.RED


def test_green_when_energy_is_at_upper_threshold() -> None:
    assert state_of(0, 5) is State.GREEN


def test_orange_when_energy_is_at_lower_threshold() -> None:
    assert state_of(0, 3) is State.ORANGE


def test_red_when_energy_is_below_lower_threshold() -> None:
    assert state_of(0, 2) is State.RED


def test_the_worst_signal_wins_over_a_good_one() -> None:
    assert state_of(0, 0) is State.RED
    assert state_of(10, 10) is State.RED


def test_red_leads_to_recovery_and_everything_else_to_performance() -> None:
    for knee_pain, energy in GRID:
        verdict = evaluate({"knee_pain": knee_pain, "energy": energy}, RULES)
        recovers = verdict.state is State.RED
        assert verdict.archetype is (Archetype.RECOVERY if recovers else Archetype.PERFORMANCE)


def test_more_pain_is_never_a_better_state() -> None:
    for (pain, energy), worse in product(GRID, range(11)):
        if worse >= pain:
            assert state_of(worse, energy) >= state_of(pain, energy)


def test_less_energy_is_never_a_better_state() -> None:
    for (pain, energy), less in product(GRID, range(11)):
        if less <= energy:
            assert state_of(pain, less) >= state_of(pain, energy)


@pytest.mark.parametrize(
    ("answer", "margin"),
    [(0, 4), (1, 3), (2, 2), (3, 1), (4, 2), (5, 1), (6, None), (10, None)],
)
def test_margin_of_pain_counts_the_points_to_the_next_worse_state(answer: int, margin: int | None) -> None:
    assert grade("knee_pain", answer, RULES.signals["knee_pain"]).margin == margin


@pytest.mark.parametrize(
    ("answer", "margin"),
    [(10, 6), (6, 2), (5, 1), (4, 2), (3, 1), (2, None), (0, None)],
)
def test_margin_of_energy_counts_the_points_to_the_next_worse_state(answer: int, margin: int | None) -> None:
    assert grade("energy", answer, RULES.signals["energy"]).margin == margin


@given(
    st.sampled_from(Direction),
    st.integers(1, 9).flatmap(lambda lower: st.tuples(st.just(lower), st.integers(lower + 1, 10))),
    answers,
)
def test_moving_by_the_margin_is_exactly_what_makes_a_signal_worse(
    worse: Direction, bounds: tuple[int, int], answer: int
) -> None:
    bands = Bands(worse, *bounds)
    step = 1 if worse is Direction.HIGHER else -1
    reading = grade("signal", answer, bands)
    if reading.margin is None:
        assert reading.state is State.RED
        return
    assert grade("signal", answer + step * (reading.margin - 1), bands).state is reading.state
    assert grade("signal", answer + step * reading.margin, bands).state > reading.state


@given(
    st.sampled_from(Direction),
    st.integers(1, 9).flatmap(lambda lower: st.tuples(st.just(lower), st.integers(lower + 1, 10))),
    answers,
    answers,
)
def test_any_bands_grade_a_worse_answer_no_better(
    worse: Direction, bounds: tuple[int, int], one: int, other: int
) -> None:
    bands = Bands(worse, *bounds)
    better, poorer = sorted((one, other), reverse=worse is Direction.LOWER)
    assert grade("signal", better, bands).state <= grade("signal", poorer, bands).state


def test_verdict_carries_the_margin_of_every_signal() -> None:
    verdict = evaluate({"knee_pain": 2, "energy": 6}, RULES)
    assert {reading.signal: reading.margin for reading in verdict.readings} == {"knee_pain": 2, "energy": 2}


def test_sentence_says_how_far_the_next_worse_state_is() -> None:
    (state, _) = evaluate({"knee_pain": 3, "energy": 10}, RULES).decisions
    assert "one point from ORANGE" in state.sentence
    (state, _) = evaluate({"knee_pain": 4, "energy": 10}, RULES).decisions
    assert "2 points from RED" in state.sentence


def test_sentence_names_every_signal_that_decided() -> None:
    (state, _) = evaluate({"knee_pain": 7, "energy": 1}, RULES).decisions
    assert "knee pain 7 of 10" in state.sentence
    assert "energy 1 of 10" in state.sentence
    (state, _) = evaluate({"knee_pain": 7, "energy": 9}, RULES).decisions
    assert "because of knee pain 7 of 10 (" in state.sentence


def test_zero_pain_is_an_answer() -> None:
    verdict = evaluate({"knee_pain": 0, "energy": 10}, RULES)
    assert verdict.decisions[0].inputs == {"knee_pain": "0", "energy": "10"}


@pytest.mark.parametrize(("knee_pain", "energy"), GRID[::7])
def test_every_decision_explains_itself(knee_pain: int, energy: int) -> None:
    verdict = evaluate({"knee_pain": knee_pain, "energy": energy}, RULES)
    state, archetype = verdict.decisions
    assert (state.subject, state.outcome, state.rule_id) == ("state", verdict.state.name, "readiness.signals")
    assert (archetype.subject, archetype.outcome) == ("archetype", verdict.archetype.value)
    assert archetype.rule_id == f"readiness.archetypes.{verdict.state.name}"
    assert state.inputs == {"knee_pain": str(knee_pain), "energy": str(energy)}
    assert archetype.inputs == {"state": verdict.state.name}
    assert state.threshold
    for decision in verdict.decisions:
        assert decision.sentence.endswith(".")
        assert decision.outcome not in decision.alternatives


@pytest.mark.parametrize(
    ("check_in", "threshold"),
    [
        ({"knee_pain": 6, "energy": 10}, "knee_pain >= 6"),
        ({"knee_pain": 4, "energy": 10}, "4 <= knee_pain < 6"),
        ({"knee_pain": 0, "energy": 2}, "energy < 3"),
        ({"knee_pain": 0, "energy": 4}, "3 <= energy < 5"),
        ({"knee_pain": 0, "energy": 10}, "knee_pain < 4 and energy >= 5"),
    ],
)
def test_threshold_is_the_bound_that_decided(check_in: dict[str, int], threshold: str) -> None:
    assert evaluate(check_in, RULES).decisions[0].threshold == threshold


@given(answers, answers, answers)
def test_a_third_signal_works_by_rules_alone(knee_pain: int, energy: int, sleep: int) -> None:
    verdict = evaluate({"knee_pain": knee_pain, "energy": energy, "sleep": sleep}, WITH_SLEEP)
    sleep_state = State.RED if sleep < 4 else State.ORANGE if sleep < 7 else State.GREEN
    assert verdict.state is max(state_of(knee_pain, energy), sleep_state)
    assert [reading.signal for reading in verdict.readings] == ["knee_pain", "energy", "sleep"]


def test_a_third_signal_is_named_when_it_decides() -> None:
    verdict = evaluate({"knee_pain": 0, "energy": 10, "sleep": 1}, WITH_SLEEP)
    assert verdict.decisions[0].threshold == "sleep < 4"
    assert "sleep 1 of 10" in verdict.decisions[0].sentence


def test_archetypes_follow_the_rules() -> None:
    cautious = ReadinessRules("cautious", RULES.signals, {**RULES.archetypes, StateName.ORANGE: Archetype.RECOVERY})
    assert evaluate({"knee_pain": 4, "energy": 10}, cautious).archetype is Archetype.RECOVERY

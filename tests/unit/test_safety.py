"""Safety is monotone: more pain or less energy never gives a harder session."""

from functools import cache
from itertools import pairwise, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.plan import Conditioning, Effort, Plan, Protocol, State
from readiness_svc.domain import evaluate
from tests.unit.builders import BIKE, PATTERNS, READINESS, due, inputs, plan, profile

LEVELS = range(1, 8)
GRID = list(product(range(11), range(11)))
# From harmless to hard.
POWER = ("", "RFD:UPPER", "RFD:LOW", "RFD:HIGH")
CLASSES = (None, Protocol.SS, Protocol.HIIT, Protocol.SIT)
KNEE_LOADING = {
    "Back Squat",
    "Box Squat (Vertical Shin)",
    "DB Bulgarian Split Squat",
    "Lunge Iso Hold",
    "Hurdle Jump",
    "Box Jump",
    "Hang Power Clean",
    "Snatch Grip High Pull",
}


@cache
def state_of(knee_pain: int, energy: int) -> State:
    return State(evaluate({"knee_pain": knee_pain, "energy": energy}, READINESS.rules).state.name)


@cache
def cached_plan(state: State, anchor: str, hiit: int, sit: int, watts: int | None) -> Plan:
    return plan(state, due(anchor), profile(hiit, sit, watts=watts))


def power(planned: Plan) -> int:
    return max(POWER.index(one.slot if one.slot.startswith("RFD:") else "") for one in planned.exercises)


def work(planned: Plan) -> Conditioning | None:
    return next((one.conditioning for one in planned.exercises if one.conditioning is not None), None)


def hardness(planned: Plan) -> tuple[int, int, int]:
    """Power tier, conditioning class and watts."""
    found = work(planned)
    return (
        power(planned),
        CLASSES.index(None if found is None else found.protocol),
        0 if found is None else found.target_watts or 0,
    )


def assert_no_harder(worse: Plan, better: Plan) -> None:
    for poor, good in zip(hardness(worse), hardness(better), strict=True):
        assert poor <= good


@pytest.mark.parametrize("anchor", PATTERNS)
@pytest.mark.parametrize("watts", [None, 200])
def test_worse_state_is_never_a_harder_session(anchor: str, watts: int | None) -> None:
    for hiit, sit in product(LEVELS, LEVELS):
        plans = [cached_plan(state, anchor, hiit, sit, watts) for state in State]
        for better, worse in pairwise(plans):
            assert_no_harder(worse, better)


@pytest.mark.parametrize("anchor", PATTERNS)
@pytest.mark.parametrize("levels", [(1, 1), (2, 1), (2, 2), (7, 7)])
def test_more_pain_or_less_energy_is_never_a_harder_session_over_the_whole_grid(
    anchor: str, levels: tuple[int, int]
) -> None:
    for pain, energy in GRID:
        here = cached_plan(state_of(pain, energy), anchor, *levels, 250)
        if pain < 10:
            assert_no_harder(cached_plan(state_of(pain + 1, energy), anchor, *levels, 250), here)
        if energy > 0:
            assert_no_harder(cached_plan(state_of(pain, energy - 1), anchor, *levels, 250), here)


@pytest.mark.parametrize("anchor", PATTERNS)
def test_painful_knee_gets_no_barbell_squat_lunge_jump_all_out_or_benchmark(anchor: str) -> None:
    for hiit, sit, watts in product(LEVELS, LEVELS, (None, 300)):
        planned = cached_plan(State.RED, anchor, hiit, sit, watts)
        assert not KNEE_LOADING & {one.exercise.name for one in planned.exercises}
        found = work(planned)
        assert found is not None
        assert found.effort is Effort.CONVERSATIONAL


@pytest.mark.parametrize("energy", range(11))
@pytest.mark.parametrize("knee_pain", range(6, 11))
def test_knee_pain_of_six_or_more_is_a_red_day_whatever_the_energy(knee_pain: int, energy: int) -> None:
    planned_for = inputs(check_in={"knee_pain": knee_pain, "energy": energy})
    assert planned_for.readiness.state is State.RED


@pytest.mark.parametrize("anchor", PATTERNS)
def test_orange_knee_never_gets_the_high_power_list_nor_a_deep_squat_or_lunge(anchor: str) -> None:
    forbidden = {"Hurdle Jump", "Hang Power Clean", "Back Squat", "DB Bulgarian Split Squat", "SL Knee Extension"}
    assert not forbidden & {one.exercise.name for one in cached_plan(State.ORANGE, anchor, 1, 1, None).exercises}


@given(st.sampled_from(State), st.integers(1, 7), st.integers(1, 7), st.none() | st.integers(40, 700))
def test_watts_never_exceed_the_defensible_share_and_need_a_benchmark_of_the_bike(
    state: State, hiit: int, sit: int, watts: int | None
) -> None:
    found = work(plan(state, None, profile(hiit, sit, watts=watts)))
    assert found is not None
    assert found.equipment == BIKE
    if found.target_watts is not None:
        assert watts is not None
        assert found.target_watts <= 1.30 * watts
    if watts is None:
        assert found.target_watts is None

"""Evidence: what logged sets prove about the planned work."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.evidence import Evidence, Grade, grade
from gateway.domain.plan import Plan, PlannedExercise, State
from gateway.domain.sets import UNPLANNED, MetadataValue, StoredSet
from tests.unit.builders import SESSION, due, everything_done, plan, profile, stored

RULES = SESSION.rules.evidence
INTERVALS = plan(State.GREEN, due("SQUAT"), profile(3, 5, watts=200))  # 9 × 30/30
SPRINTS = plan(State.GREEN, due("SQUAT"), profile(5, 4))  # 5 × 12/36
TIME_TRIAL = plan(State.GREEN, due("SQUAT"))
EASY = plan(State.RED, due("SQUAT"))


def planned_in(slot: str, whole: Plan = INTERVALS) -> PlannedExercise:
    return next(one for one in whole.exercises if one.slot == slot)


SQUAT, ISO, BIKE = planned_in("SQUAT:MAIN"), planned_in("ISOMETRIC:PATELLAR"), planned_in("CONDITIONING")


def about(one: PlannedExercise, *sets: StoredSet, whole: Plan = INTERVALS, working_sets: int = 1) -> Evidence:
    rules = replace(RULES, working_sets=working_sets)
    (found,) = [item for item in grade(whole, sets, rules) if item.slot == one.slot]
    return found


def trial(metadata: dict[str, MetadataValue], index: int = 0) -> Evidence:
    bike = planned_in("CONDITIONING", TIME_TRIAL)
    return about(bike, stored(bike, index, metadata=metadata), whole=TIME_TRIAL)


def test_nothing_logged_is_missing_everywhere() -> None:
    found = grade(INTERVALS, [], RULES)
    assert {item.grade for item in found} == {Grade.MISSING}


def test_everything_logged_is_verified_everywhere() -> None:
    for whole in (INTERVALS, SPRINTS, TIME_TRIAL, EASY):
        assert {item.grade for item in grade(whole, everything_done(whole), RULES)} == {Grade.VERIFIED}


def test_checklists_need_no_evidence() -> None:
    graded = {item.slot for item in grade(INTERVALS, [], RULES)}
    assert "MOBILITY:DYNAMIC" not in graded
    assert graded == {one.slot for one in INTERVALS.exercises} - {"MOBILITY:DYNAMIC"}


def test_evidence_comes_in_the_order_of_the_plan() -> None:
    logged = [one.exercise.name for one in INTERVALS.exercises if one.slot != "MOBILITY:DYNAMIC"]
    assert [item.exercise_name for item in grade(INTERVALS, [], RULES)] == logged


@pytest.mark.parametrize(("reps", "seconds"), [(1, None), (None, 1), (1, 0), (0, 30), (5, 30)])
def test_working_set_needs_reps_or_seconds(reps: int | None, seconds: int | None) -> None:
    assert about(SQUAT, stored(SQUAT, reps=reps, seconds=seconds)).grade is Grade.VERIFIED


@pytest.mark.parametrize(("reps", "seconds"), [(0, 0), (0, None), (None, 0), (None, None)])
def test_set_left_blank_is_no_working_set(reps: int | None, seconds: int | None) -> None:
    found = about(SQUAT, stored(SQUAT, reps=reps, seconds=seconds))
    assert found.grade is Grade.MISSING
    assert found.sentence == "Back Squat: 0 of 1 working set logged."


def test_held_exercise_is_proved_by_its_seconds() -> None:
    assert about(ISO, stored(ISO, seconds=45)).grade is Grade.VERIFIED


@pytest.mark.parametrize(
    ("done", "expected"), [(0, Grade.MISSING), (1, Grade.PARTIAL), (2, Grade.PARTIAL), (3, Grade.VERIFIED)]
)
def test_fewer_working_sets_than_needed_are_partial(done: int, expected: Grade) -> None:
    found = about(SQUAT, *[stored(SQUAT, index, reps=5) for index in range(done)], working_sets=3)
    assert found.grade is expected
    assert found.sentence == f"Back Squat: {done} of 3 working sets logged."


def test_warm_ups_never_count() -> None:
    warm_ups = [stored(SQUAT, index, reps=8, is_warmup=True) for index in range(4)]
    assert about(SQUAT, *warm_ups).grade is Grade.MISSING
    rounds = [stored(BIKE, index, is_warmup=True) for index in range(9)]
    assert about(BIKE, *rounds).grade is Grade.MISSING
    bike = planned_in("CONDITIONING", TIME_TRIAL)
    warm_trial = stored(bike, is_warmup=True, metadata={"avg_watts": 250})
    assert about(bike, warm_trial, whole=TIME_TRIAL).grade is Grade.MISSING


def test_unplanned_sets_never_count() -> None:
    assert about(SQUAT, stored(SQUAT, reps=5, slot=UNPLANNED)).grade is Grade.MISSING


def test_work_of_another_exercise_never_counts() -> None:
    assert about(SQUAT, stored(ISO, reps=5)).grade is Grade.MISSING
    assert about(SQUAT, stored(ISO, reps=5, slot=SQUAT.slot)).grade is Grade.MISSING


@pytest.mark.parametrize(
    ("rounds", "expected"),
    [(0, Grade.MISSING), (1, Grade.PARTIAL), (8, Grade.PARTIAL), (9, Grade.VERIFIED), (12, Grade.VERIFIED)],
)
def test_intervals_need_every_prescribed_round(rounds: int, expected: Grade) -> None:
    found = about(BIKE, *[stored(BIKE, index) for index in range(rounds)])
    assert found.grade is expected
    assert found.sentence == f"{BIKE.exercise.name}: {min(rounds, 9)} of 9 rounds logged."


def test_rounds_beyond_the_prescribed_ones_replace_none() -> None:
    assert about(BIKE, *[stored(BIKE, index) for index in range(1, 12)]).grade is Grade.PARTIAL


def test_sprints_need_every_prescribed_round_and_no_watts() -> None:
    bike = planned_in("CONDITIONING", SPRINTS)
    assert about(bike, *[stored(bike, i) for i in range(5)], whole=SPRINTS).grade is Grade.VERIFIED
    assert about(bike, *[stored(bike, i) for i in range(4)], whole=SPRINTS).grade is Grade.PARTIAL


def test_intervals_without_a_benchmark_count_their_rounds_too() -> None:
    whole = plan(State.GREEN, due("SQUAT"), profile(2, 5))
    bike = planned_in("CONDITIONING", whole)
    assert about(bike, *[stored(bike, i) for i in range(8)], whole=whole).grade is Grade.VERIFIED


@pytest.mark.parametrize(("share", "needed"), [(1.0, 9), (0.9, 9), (0.8, 8), (0.5, 5), (0.01, 1)])
def test_share_of_rounds_is_a_rule_and_rounds_up(share: float, needed: int) -> None:
    rules = replace(RULES, interval_rounds=share)

    def graded(rounds: int) -> Grade:
        return grade(INTERVALS, [stored(BIKE, i) for i in range(rounds)], rules)[-1].grade

    assert graded(needed) is Grade.VERIFIED
    assert graded(needed - 1) is not Grade.VERIFIED


def test_steady_state_needs_one_logged_effort() -> None:
    bike = planned_in("CONDITIONING", EASY)
    assert about(bike, whole=EASY).grade is Grade.MISSING
    assert about(bike, stored(bike), whole=EASY).grade is Grade.VERIFIED


def test_time_trial_that_is_not_logged_is_missing() -> None:
    found = about(planned_in("CONDITIONING", TIME_TRIAL), whole=TIME_TRIAL)
    assert (found.grade, found.average_watts) == (Grade.MISSING, None)
    assert "time trial is not logged" in found.sentence


@pytest.mark.parametrize(
    "metadata", [{}, {"peak_watts": 300}, {"avg_watts": "250"}, {"avg_watts": True}, {"avg_watts": False}]
)
def test_time_trial_without_watts_is_partial(metadata: dict[str, MetadataValue]) -> None:
    found = trial(metadata)
    assert (found.grade, found.average_watts) == (Grade.PARTIAL, None)
    assert "without its average watts" in found.sentence


@pytest.mark.parametrize("watts", [0, 39, 39.99, 700.01, 701, 5000, -250, float("nan"), float("inf")])
def test_implausible_watts_are_partial(watts: float) -> None:
    found = trial({"avg_watts": watts})
    assert (found.grade, found.average_watts) == (Grade.PARTIAL, None)
    assert "plausible, 40 to 700 W" in found.sentence


@pytest.mark.parametrize(("watts", "benchmark"), [(40, 40), (700, 700), (250, 250), (250.4, 250), (250.5, 251)])
def test_plausible_watts_become_the_benchmark(watts: float, benchmark: int) -> None:
    found = trial({"avg_watts": watts})
    assert (found.grade, found.average_watts) == (Grade.VERIFIED, benchmark)
    assert f"with {benchmark} W" in found.sentence


def test_first_effort_is_the_time_trial() -> None:
    bike = planned_in("CONDITIONING", TIME_TRIAL)
    efforts = [stored(bike, index, metadata={"avg_watts": watts}) for index, watts in ((2, 300), (0, 200), (1, 250))]
    assert about(bike, *efforts, whole=TIME_TRIAL).average_watts == 200


def test_only_a_time_trial_gives_a_benchmark() -> None:
    assert about(BIKE, *[stored(BIKE, i, metadata={"avg_watts": 250}) for i in range(9)]).average_watts is None


sets = st.lists(
    st.builds(
        stored,
        st.sampled_from(INTERVALS.exercises),
        st.integers(0, 12),
        reps=st.none() | st.integers(0, 3),
        is_warmup=st.booleans(),
        slot=st.none() | st.just(UNPLANNED),
    ),
    max_size=12,
)
SEVERITY = [Grade.MISSING, Grade.PARTIAL, Grade.VERIFIED]


@given(sets, st.data())
def test_order_of_sets_does_not_matter(logged: list[StoredSet], data: st.DataObject) -> None:
    assert grade(INTERVALS, data.draw(st.permutations(logged)), RULES) == grade(INTERVALS, logged, RULES)


@given(sets, sets)
def test_more_sets_never_prove_less(some: list[StoredSet], further: list[StoredSet]) -> None:
    before, after = grade(INTERVALS, some, RULES), grade(INTERVALS, some + further, RULES)
    for one, other in zip(before, after, strict=True):
        assert SEVERITY.index(one.grade) <= SEVERITY.index(other.grade)

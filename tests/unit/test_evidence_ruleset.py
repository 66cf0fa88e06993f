"""The two shipped rulesets side by side: what `evidence` changes, and what neither of them may loosen."""

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from importlib.resources import files
from itertools import product
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import conditioning_svc.app
import debt_svc.app
import gateway.schema
import readiness_svc.app
from conditioning_svc.domain import Done, Prescription, Profile, prescribe
from conditioning_svc.rules import ConditioningRules, Effort, Protocol, StateName
from debt_svc.rules import DebtRules
from gateway.domain.plan import Archetype
from gateway.rules import Knee, SessionRules, disagreements
from gateway.rulesets import check_agreement
from readiness_svc.domain import evaluate
from readiness_svc.rules import ReadinessRules
from shared.rules_loader import Loaded, RulesError, load_text
from tests.unit.builders import NOW, days_ago, profile

SHAPES: Mapping[str, type[Any]] = {
    "readiness_svc": ReadinessRules,
    "debt_svc": DebtRules,
    "conditioning_svc": ConditioningRules,
    "gateway": SessionRules,
}
RULESETS = ("classic", "evidence")
FILES = {"classic": "rules.yaml", "evidence": "rules_evidence.yaml"}
HIIT, SIT, SS = Protocol.HIIT, Protocol.SIT, Protocol.SS
GREEN, ORANGE, RED = StateName


def text(package: str, ruleset: str) -> str:
    return (files(package) / FILES[ruleset]).read_text(encoding="utf-8")


@cache
def loaded(package: str, ruleset: str) -> Loaded[Any]:
    return load_text(text(package, ruleset), SHAPES[package], file=f"{package}.yaml")


def conditioning(ruleset: str) -> ConditioningRules:
    rules: ConditioningRules = loaded("conditioning_svc", ruleset).rules
    return rules


EVIDENCE = conditioning("evidence")


# Both are shipped.


@pytest.mark.parametrize("app", [readiness_svc.app, debt_svc.app, conditioning_svc.app, gateway.schema])
def test_every_service_ships_both_and_decides_by_classic_first(app: ModuleType) -> None:
    versions = app.versions()
    assert [kept.rules.ruleset for kept in versions.shipped] == list(RULESETS)
    assert versions.get("") is versions.shipped[0]
    for kept in versions.shipped:
        assert versions.named(kept.rules.ruleset) is kept
    assert versions.named("evidense") is None


@pytest.mark.parametrize("package", SHAPES)
def test_versions_of_the_two_are_told_apart(package: str) -> None:
    assert loaded(package, "classic").content_hash != loaded(package, "evidence").content_hash


@pytest.mark.parametrize("ruleset", RULESETS)
def test_parts_of_a_ruleset_fit_each_other(ruleset: str) -> None:
    debt, work = (loaded(package, ruleset).text for package in ("debt_svc", "conditioning_svc"))
    check_agreement(loaded("gateway", ruleset), debt, work)


@pytest.mark.parametrize("package", ["readiness_svc", "debt_svc", "gateway"])
def test_evidence_differs_from_classic_in_conditioning_alone(package: str) -> None:
    classic, evidence = (loaded(package, ruleset).rules for ruleset in RULESETS)
    assert replace(evidence, ruleset="classic") == classic


# What evidence prescribes.

SIT_LADDER = [(4, 6, 60), (6, 6, 60), (4, 10, 90), (6, 10, 90), (4, 15, 120), (6, 15, 120), (3, 20, 180)]


def test_sprints_are_short_or_well_rested() -> None:
    found = [(level.rounds, level.work_seconds, level.rest_seconds) for level in EVIDENCE.protocols[SIT].levels]
    assert found == SIT_LADDER


def test_shares_of_the_benchmark_are_defensible() -> None:
    shares = {
        (level.work_seconds, level.rest_seconds): level.multiplier
        for level in EVIDENCE.protocols[HIIT].levels
        if level.effort is Effort.TARGET_WATTS
    }
    assert shares == {(30, 30): 1.15, (40, 20): 1.05}


@pytest.mark.parametrize(("level", "watts"), [(2, 230), (4, 230), (5, 210), (7, 210)])
def test_watts_are_the_share_of_the_benchmark(level: int, watts: int) -> None:
    assert prescribe(profile(level, 7, watts=200), ORANGE, EVIDENCE, NOW).target_watts == watts


@pytest.mark.parametrize("known", [Profile(), profile(1, 7), profile(4, 2), profile(4, 5)])
def test_orange_day_without_a_number_is_steady_state(known: Profile) -> None:
    assert prescribe(known, ORANGE, EVIDENCE, NOW).protocol is SS


@pytest.mark.parametrize(("hiit", "sit"), list(product(range(2, 8), range(1, 8))))
def test_orange_day_with_a_number_is_hiit_whatever_the_level_of_sit(hiit: int, sit: int) -> None:
    work = prescribe(profile(hiit, sit, watts=200), ORANGE, EVIDENCE, NOW)
    assert (work.protocol, work.effort) == (HIIT, Effort.TARGET_WATTS)


def test_three_hard_days_in_a_week_are_enough() -> None:
    week = tuple(Done(protocol, days_ago(ago)) for protocol, ago in ((HIIT, 1), (SIT, 3), (HIIT, 5)))
    assert prescribe(replace(profile(3, 3, watts=200), recent=week), GREEN, EVIDENCE, NOW).protocol is SS


def test_time_trial_comes_again_after_the_top_and_after_eight_weeks_off() -> None:
    for ago in (1, 57):
        known = profile(7, 7, watts=200, hiit_done=days_ago(ago), sit_done=NOW)
        assert prescribe(known, GREEN, EVIDENCE, NOW).effort is Effort.BENCHMARK


# Safety over all check-ins: more pain or less energy is never harder.

GRID = tuple(product(range(11), range(11)))
LEVELS = range(1, 8)
CLASSES = (SS, HIIT, SIT)
HISTORIES: Mapping[str, tuple[tuple[Protocol, float], ...]] = {
    "rested": (),
    "SIT yesterday": ((SIT, 1),),
    "two of SIT": ((SIT, 2), (SIT, 4)),
    "three hard ones": ((SIT, 2), (HIIT, 3), (HIIT, 5)),
}


@cache
def state_of(knee_pain: int, energy: int, ruleset: str) -> StateName:
    check_in = {"knee_pain": knee_pain, "energy": energy}
    return StateName(evaluate(check_in, loaded("readiness_svc", ruleset).rules).state.name)


def known_of(hiit: int, sit: int, watts: int | None, history: str, *, ago: float | None) -> Profile:
    done = None if ago is None else days_ago(ago)
    recent = tuple(Done(protocol, days_ago(days)) for protocol, days in HISTORIES[history])
    return replace(profile(hiit, sit, watts=watts, hiit_done=done, sit_done=done), recent=recent)


def assert_no_harder(worse: Prescription, better: Prescription) -> None:
    """A harder class is never given, and within a class never more work of any kind."""
    assert CLASSES.index(worse.protocol) <= CLASSES.index(better.protocol)
    if worse.protocol is better.protocol:
        assert (worse.target_watts or 0) <= (better.target_watts or 0)
        assert (worse.level, worse.rounds, worse.effort) == (better.level, better.rounds, better.effort)


def assert_monotone_over_the_grid(ruleset: str, known: Profile) -> None:
    works = {state: prescribe(known, state, conditioning(ruleset), NOW) for state in StateName}
    for pain, energy in GRID:
        here = works[state_of(pain, energy, ruleset)]
        if pain < 10:
            assert_no_harder(works[state_of(pain + 1, energy, ruleset)], here)
        if energy > 0:
            assert_no_harder(works[state_of(pain, energy - 1, ruleset)], here)
        if pain >= 6:
            assert here.effort is Effort.CONVERSATIONAL


@pytest.mark.parametrize("ruleset", RULESETS)
@pytest.mark.parametrize("history", HISTORIES)
@pytest.mark.parametrize("watts", [None, 213])
def test_more_pain_or_less_energy_is_never_harder_over_the_whole_grid(
    ruleset: str, history: str, watts: int | None
) -> None:
    for hiit, sit in product(LEVELS, LEVELS):
        assert_monotone_over_the_grid(ruleset, known_of(hiit, sit, watts, history, ago=None))


@given(
    st.sampled_from(RULESETS),
    st.builds(
        known_of,
        st.integers(1, 7),
        st.integers(1, 7),
        st.none() | st.integers(40, 700),
        st.sampled_from(list(HISTORIES)),
        ago=st.floats(0, 120),
    ),
    st.integers(0, 120),
)
def test_neither_a_layoff_nor_a_stale_number_makes_a_worse_day_harder(ruleset: str, known: Profile, age: int) -> None:
    measured = {key: replace(one, measured_time=days_ago(age)) for key, one in known.benchmarks.items()}
    assert_monotone_over_the_grid(ruleset, replace(known, benchmarks=measured))


@given(st.integers(1, 7), st.integers(1, 7), st.none() | st.integers(40, 700), st.sampled_from([ORANGE, RED]))
def test_evidence_never_asks_for_all_out_or_a_time_trial_but_on_green_days(
    hiit: int, sit: int, watts: int | None, state: StateName
) -> None:
    work = prescribe(profile(hiit, sit, watts=watts), state, EVIDENCE, NOW)
    assert work.effort in (Effort.TARGET_WATTS, Effort.CONVERSATIONAL)


@pytest.mark.parametrize("ruleset", RULESETS)
def test_watts_stay_below_what_is_defensible(ruleset: str) -> None:
    for hiit, watts in product(LEVELS, (40, 213, 700)):
        found = prescribe(profile(hiit, 7, watts=watts), GREEN, conditioning(ruleset), NOW).target_watts
        assert found is None or found <= 1.30 * watts


# No RED day comes to an exercise that a painful knee must be spared.

MARKS = {
    "Back Squat": Knee.SQUAT,
    "Box Squat (Vertical Shin)": Knee.SQUAT,
    "DB Bulgarian Split Squat": Knee.LUNGE,
    "Lunge Iso Hold": Knee.LUNGE,
    "Hurdle Jump": Knee.JUMP,
    "Box Jump": Knee.JUMP,
    "Spanish Squat Hold": Knee.SQUAT,
}


@pytest.mark.parametrize("ruleset", RULESETS)
def test_jumps_squats_and_lunges_are_marked(ruleset: str) -> None:
    catalog = loaded("gateway", ruleset).rules.catalog
    assert {name: entry.knee for name, entry in catalog.items() if entry.knee is not None} == MARKS


# What is replaced in the shipped session rules, by what, and where that is reported.
REACHED = {
    "a slot, by DEFAULT": ("ISOMETRIC:PATELLAR: {DEFAULT: [SL Knee Extension Iso]}",
                           "ISOMETRIC:PATELLAR: {DEFAULT: [SL Knee Extension Iso, Box Jump]}", "'Box Jump'"),
    "a slot, by RED": ("ISOMETRIC:PATELLAR: {DEFAULT: [SL Knee Extension Iso]}",
                       "ISOMETRIC:PATELLAR: {DEFAULT: [SL Knee Extension Iso], RED: [Back Squat]}", "'Back Squat'"),
    "a slot, by SPARE": ("ISOMETRIC:PATELLAR: {DEFAULT: [SL Knee Extension Iso]}",
                         "ISOMETRIC:PATELLAR: {DEFAULT: [SL Knee Extension Iso], SPARE: [Lunge Iso Hold]}",
                         "'Lunge Iso Hold'"),
    "a rotation": ("CORE:FRONTAL: {DEFAULT: [DB Side Bend]}",
                   "CORE:FRONTAL: {DEFAULT: [DB Side Bend, Hurdle Jump]}", "'Hurdle Jump'"),
    "a complement": ("PULL:ACCESSORY_VERTICAL: {DEFAULT: [Lat Pulldown]}",
                     "PULL:ACCESSORY_VERTICAL: {DEFAULT: [Lat Pulldown, Box Jump]}", "'Box Jump'"),
}  # fmt: skip


@pytest.mark.parametrize("ruleset", RULESETS)
@pytest.mark.parametrize("how", REACHED)
def test_marked_exercise_that_a_red_day_may_reach_is_refused(ruleset: str, how: str) -> None:
    old, new, name = REACHED[how]
    shipped = text("gateway", ruleset)
    assert shipped.count(old) == 1
    with pytest.raises(RulesError) as caught:
        load_text(shipped.replace(old, new), SessionRules, file="session.yaml")
    (problem,) = caught.value.problems
    assert problem.line == shipped.split(old)[0].count("\n") + 1
    assert "a RED day may come to" in problem.message
    assert name in problem.message


ISOMETRICS = "components: [{slot: ISOMETRIC:PATELLAR}, {slot: ISOMETRIC:HAMSTRING}]"


@pytest.mark.parametrize(
    ("component", "refused"),
    [
        ("{anchor: MAIN}", set()),  # RED has no list of SQUAT:MAIN, so a RED day gets none
        ("{anchor: RELATED}", set()),
        ("{tier: RFD}", set()),  # RFD:UPPER when RED
        ("{slot: RFD:LOW}", {"Box Jump"}),
        ("{slot: RFD:HIGH}", {"Hurdle Jump"}),
    ],
)
def test_what_a_red_day_reaches_is_followed_through_the_recovery_template(component: str, refused: set[str]) -> None:
    changed = text("gateway", "evidence").replace(ISOMETRICS, ISOMETRICS.replace("]", f", {component}]"))
    try:
        load_text(changed, SessionRules, file="session.yaml")
    except RulesError as error:
        found = {name for name in MARKS for problem in error.problems if repr(name) in problem.message}
    else:
        found = set()
    assert found == refused


def test_tier_of_recovery_is_followed_to_its_red_slot() -> None:
    changed = text("gateway", "evidence").replace(ISOMETRICS, ISOMETRICS.replace("]", ", {tier: RFD}]"))
    changed = changed.replace("RED: RFD:UPPER}", "RED: RFD:LOW}")
    with pytest.raises(RulesError, match="a RED day may come to RFD:LOW, and must not get 'Box Jump'"):
        load_text(changed, SessionRules, file="session.yaml")


@pytest.mark.parametrize("anchor", ["MAIN", "RELATED"])
def test_anchor_of_recovery_is_followed_to_every_pattern(anchor: str) -> None:
    changed = text("gateway", "evidence").replace(ISOMETRICS, ISOMETRICS.replace("]", f", {{anchor: {anchor}}}]"))
    changed = changed.replace("{GREEN: [Back Squat], ", "{DEFAULT: [Back Squat], ")
    changed = changed.replace("{GREEN: [DB Bulgarian Split Squat], ", "{DEFAULT: [DB Bulgarian Split Squat], ")
    name = "Back Squat" if anchor == "MAIN" else "DB Bulgarian Split Squat"
    with pytest.raises(RulesError, match=f"must not get '{name}'"):
        load_text(changed, SessionRules, file="session.yaml")


def test_marked_exercise_in_a_rotation_of_other_slots_is_a_disagreement() -> None:
    """Debt alone says which slots a rotation has; they need not begin with its name."""
    rules = loaded("gateway", "evidence").rules
    rotations = {**loaded("debt_svc", "evidence").rules.rotations, "CORE": ("CORE:TRANSVERSE", "RFD:LOW")}
    said = "a RED day may come to RFD:LOW, and must not get 'Box Jump': its knee mark is JUMP"
    assert said in [message for _, _, message in disagreements(rules, rotations, EVIDENCE.equipment)]


@pytest.mark.parametrize("ruleset", RULESETS)
def test_red_day_is_a_recovery_day(ruleset: str) -> None:
    """The check above relies on it."""
    archetypes = loaded("readiness_svc", ruleset).rules.archetypes
    assert archetypes[RED.value] == Archetype.RECOVERY.value

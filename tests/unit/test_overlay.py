"""Overlays: what they may say, what they may never loosen, and that they never make a day harder."""

from collections.abc import Mapping
from dataclasses import replace
from itertools import product
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain import overlay_check
from gateway.domain.comparison import is_harder
from gateway.domain.composition import compose
from gateway.domain.inputs import Inputs
from gateway.domain.overlay import NO_THRESHOLDS, Bounds, Overlay, OverlayInForce, Thresholds, pattern_of
from gateway.domain.plan import BlockType, Plan
from gateway.domain.plan import State as PlanState
from gateway.domain.session import EffectKind
from gateway.domain.settlement import settle
from gateway.rules import Variant
from readiness_svc.domain import evaluate
from readiness_svc.rules import SCALE, Bands, Direction, ReadinessRules, State
from shared.decision import Decision
from shared.rules_loader import RulesError, load_text
from tests.unit.builders import (
    BIKE,
    NOW,
    PATTERNS,
    READINESS,
    SESSION,
    days_ago,
    due,
    everything_done,
    history,
    ids,
    inputs,
    names,
    plan,
    profile,
    slots,
    started,
)

RULES = SESSION.rules
SIGNALS: Mapping[str, Any] = READINESS.document["signals"]
GRID = list(product(SCALE, SCALE))


def read(text: str) -> Overlay:
    return load_text(text, Overlay, file="overlay.yaml").rules


def refused(text: str) -> str:
    with pytest.raises(RulesError) as error:
        read(text)
    return str(error.value)


def problems(text: str) -> list[tuple[tuple[str | int, ...], str]]:
    return list(overlay_check.problems(read(text), SIGNALS, RULES))


# What may be said.


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{}", "overlay.yaml:1: an overlay must hold something; `flux rules overlay clear` takes one away"),
        ("readiness: {}", "overlay.yaml:1: an overlay must hold something; `flux rules overlay clear` takes one away"),
        ("", "overlay.yaml:1: the file is empty"),
        ("readyness: {}", "overlay.yaml:1: unknown key 'readyness'; did you mean 'readiness'?"),
        ("evidence: {working_sets: 0}", "overlay.yaml:1: unknown key 'evidence'; known are "),
        (
            "readiness:\n  knee_pian: {lower: 3, upper: 5}",
            "overlay.yaml:2: readiness: unknown key 'knee_pian'; did you mean 'knee_pain'?",
        ),
        (
            "readiness:\n  knee_pain: {lower: 3}",
            "overlay.yaml:2: readiness.knee_pain: missing key 'upper'",
        ),
        (
            "readiness:\n  knee_pain:\n    lower: low\n    upper: 5",
            "overlay.yaml:3: readiness.knee_pain.lower: must be a whole number",
        ),
        (
            "readiness:\n  energy: {worse: HIGHER, lower: 3, upper: 5}",
            "overlay.yaml:2: readiness.energy: unknown key 'worse'; known are 'lower', 'upper'",
        ),
        (
            "readiness:\n  energy: {lower: 5, upper: 5}",
            "overlay.yaml:2: lower (5) and upper (5) must satisfy 1 <= lower < upper <= 10",
        ),
    ],
)
def test_what_an_overlay_may_not_say_is_told_with_its_place(text: str, words: str) -> None:
    said = refused(text)
    assert words in said.splitlines()[0]


@pytest.mark.parametrize(
    ("text", "path", "words"),
    [
        ("readiness: {knee_pain: {lower: 5, upper: 6}}", ("knee_pain", "lower"), "must be at most 4, not 5"),
        ("readiness: {knee_pain: {lower: 4, upper: 7}}", ("knee_pain", "upper"), "must be at most 6, not 7"),
        ("readiness: {energy: {lower: 2, upper: 5}}", ("energy", "lower"), "must be at least 3, not 2"),
        ("readiness: {energy: {lower: 3, upper: 4}}", ("energy", "upper"), "must be at least 5, not 4"),
    ],
)
def test_each_bound_that_would_loosen_is_refused_at_its_place(text: str, path: tuple[str, str], words: str) -> None:
    ((place, said),) = problems(text)
    assert place == ("readiness", *path)
    assert said.startswith("an overlay may only tighten: ")
    assert words in said


def test_every_loosening_is_told_at_once() -> None:
    text = "readiness: {knee_pain: {lower: 5, upper: 7}, energy: {lower: 1, upper: 2}}"
    assert len(problems(text)) == 4


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("disabled_patterns: [CORE, SQAT]", ("disabled_patterns", 1), "unknown pattern 'SQAT'; did you mean 'SQUAT'?"),
        ("disabled_patterns: [CORE, CORE]", ("disabled_patterns", 1), "'CORE' stands twice"),
        (
            "unavailable: [Asault Bike]",
            ("unavailable", 0),
            "unknown exercise 'Asault Bike'; did you mean 'Assault Bike'?",
        ),
        ("unavailable: [Chin Up, Chin Up]", ("unavailable", 1), "'Chin Up' stands twice"),
    ],
)
def test_a_name_that_stands_for_nothing_or_twice_is_refused_at_its_place(
    text: str, place: tuple[str, int], words: str
) -> None:
    assert problems(text) == [(place, words)]


@pytest.mark.parametrize(
    ("text", "key", "days"),
    [
        ("disabled_patterns: [SQUAT, PUSH, HINGE, PULL]", "disabled_patterns", ["GREEN", "ORANGE"]),
        ("unavailable: [Back Squat, BB Bench Press, BB RDL, Chin Up]", "unavailable", ["GREEN"]),
        ("{disabled_patterns: [PUSH, HINGE, PULL], unavailable: [Back Squat]}", "disabled_patterns", ["GREEN"]),
    ],
)
def test_a_main_lift_must_be_left_for_every_day_of_training(text: str, key: str, days: list[str]) -> None:
    message = "no main lift would be left on a {} day; leave one of SQUAT, PUSH, HINGE, PULL"
    assert problems(text) == [((key,), message.format(day)) for day in days]


def test_what_is_as_strict_as_the_rules_or_stricter_loosens_nothing() -> None:
    assert problems("readiness: {knee_pain: {lower: 4, upper: 6}, energy: {lower: 3, upper: 5}}") == []
    assert problems("readiness: {knee_pain: {lower: 1, upper: 2}}") == []


# What readiness makes of it.

bounds = st.tuples(st.integers(1, 9), st.integers(2, 10)).filter(lambda pair: pair[0] < pair[1])
own_bounds = st.dictionaries(st.sampled_from(["knee_pain", "energy"]), bounds)
rules = st.builds(
    lambda pain, energy: ReadinessRules(
        "any",
        {"knee_pain": Bands(Direction.HIGHER, *pain), "energy": Bands(Direction.LOWER, *energy)},
        READINESS.rules.archetypes,
    ),
    bounds,
    bounds,
)


@given(rules, own_bounds)
def test_whatever_the_rules_no_check_in_is_answered_with_a_better_state(
    any_rules: ReadinessRules, own: dict[str, tuple[int, int]]
) -> None:
    for knee_pain, energy in GRID:
        check_in = {"knee_pain": knee_pain, "energy": energy}
        assert evaluate(check_in, any_rules, own).state >= evaluate(check_in, any_rules).state


@given(own_bounds)
def test_more_pain_and_less_energy_are_never_a_better_state(own: dict[str, tuple[int, int]]) -> None:
    states = {pair: evaluate({"knee_pain": pair[0], "energy": pair[1]}, READINESS.rules, own).state for pair in GRID}
    for pain, energy in GRID:
        assert pain == 0 or states[pain, energy] >= states[pain - 1, energy]
        assert energy == 0 or states[pain, energy] <= states[pain, energy - 1]


@given(st.sampled_from(GRID))
def test_bounds_that_are_not_stricter_leave_no_trace(answers: tuple[int, int]) -> None:
    check_in = dict(zip(("knee_pain", "energy"), answers, strict=True))
    same = {"knee_pain": (4, 6), "energy": (3, 5)}
    looser = {"knee_pain": (9, 10), "energy": (1, 2)}
    by_rules = evaluate(check_in, READINESS.rules)
    assert evaluate(check_in, READINESS.rules, same) == by_rules
    assert evaluate(check_in, READINESS.rules, looser) == by_rules


def test_each_signal_with_bounds_of_its_own_is_explained() -> None:
    own = {"knee_pain": (2, 4), "energy": (4, 7)}
    verdict = evaluate({"knee_pain": 3, "energy": 8}, READINESS.rules, own)
    assert verdict.state is State.ORANGE
    _, _, pain, energy = verdict.decisions
    assert (pain.subject, pain.outcome, pain.rule_id) == ("knee_pain", "ORANGE", "overlay.readiness.knee_pain")
    assert (pain.inputs, pain.threshold, pain.alternatives) == ({"knee_pain": "3"}, "2 <= knee_pain < 4", ("GREEN",))
    own_words = "By the athlete's own bounds, stricter than those of the rules, "
    assert pain.sentence == f"{own_words}knee pain 3 of 10 is ORANGE instead of GREEN."
    assert energy.sentence == f"{own_words}energy 8 of 10 is GREEN, as by the rules."
    assert energy.alternatives == ()


def test_the_margins_are_those_of_the_bounds_that_decided() -> None:
    verdict = evaluate({"knee_pain": 1, "energy": 10}, READINESS.rules, {"knee_pain": (2, 4)})
    assert [reading.margin for reading in verdict.readings] == [1, 6]


# What is left of a plan.


def overlaid(given_inputs: Inputs, own: Overlay) -> Inputs:
    """The same day, planned by an overlay: readiness decides by its bounds, as the gateway asks it to."""
    state = evaluate(given_inputs.check_in, READINESS.rules, bounds_of(own)).state.name
    heard = inputs(PlanState(state)).readiness
    return replace(given_inputs, readiness=heard, overlay=OverlayInForce("abc", own))


def bounds_of(own: Overlay) -> dict[str, tuple[int, int]]:
    return {signal: (bounds.lower, bounds.upper) for signal, bounds in own.readiness.by_signal.items()}


def planned(given_inputs: Inputs, own: Overlay) -> Plan:
    return compose(overlaid(given_inputs, own), RULES)


def told(whole: Plan) -> list[Decision]:
    """What the plan says of the overlay."""
    return [one for one in whole.decisions if one.rule_id.startswith("overlay.")]


NO_SQUAT = Overlay(disabled_patterns=("SQUAT",))
NO_BIKE = Overlay(unavailable=(BIKE,))


def test_the_next_pattern_is_due_in_place_of_one_that_is_taken_away() -> None:
    whole = planned(inputs(ledger=due("SQUAT")), NO_SQUAT)
    assert whole.anchor_pattern == "PUSH"
    assert names(whole, BlockType.MAIN) == ["BB Bench Press"]
    why, accessory = told(whole)
    assert (why.subject, why.outcome, why.rule_id) == ("anchor_pattern", "PUSH", "overlay.disabled_patterns")
    assert why.sentence == "PUSH is next: the athlete's overlay leaves nothing of SQUAT."
    assert why.alternatives == ("HINGE", "PULL")
    assert why.inputs["passed_over"] == "SQUAT"
    assert (accessory.subject, accessory.outcome) == ("SQUAT:ACCESSORY", "")
    assert accessory.sentence == "SQUAT:ACCESSORY is left out: the athlete's overlay takes this pattern away."


def test_a_pattern_whose_lift_is_unavailable_today_is_passed_over_and_stays_due_for_the_day_that_has_another() -> None:
    own = Overlay(unavailable=("Back Squat",))
    green = planned(inputs(PlanState.GREEN, due("SQUAT")), own)
    assert green.anchor_pattern == "PUSH"
    assert told(green)[0].rule_id == "overlay.unavailable"
    orange = planned(inputs(PlanState.ORANGE, due("SQUAT")), own)
    assert names(orange, BlockType.MAIN) == ["Box Squat (Vertical Shin)"]
    assert told(orange) == []


def test_the_anchor_of_a_recovery_day_is_one_that_can_be_trained() -> None:
    whole = planned(inputs(PlanState.RED, due("SQUAT")), NO_SQUAT)
    assert whole.anchor_pattern == "PUSH"
    assert told(whole)[0].sentence.endswith("A recovery session does not pay it, so it stays due.")


def test_an_unavailable_exercise_is_left_out_of_its_slot_and_the_others_stay() -> None:
    whole = planned(inputs(), Overlay(unavailable=("Hurdle Jump",)))
    assert names(whole, BlockType.POWER) == ["Hang Power Clean"]
    (why,) = told(whole)
    assert why.sentence == "Hurdle Jump is left out of RFD:HIGH: the athlete's overlay says that it is unavailable."
    assert why.alternatives == ("Hurdle Jump",)


def test_an_unavailable_exercise_is_not_replaced() -> None:
    mobility = {Variant.DEFAULT: ("Inchworms", "Cat Cow"), Variant.SPARE: ("Pigeon Stretch",)}
    rules = replace(RULES, selections={**RULES.selections, "MOBILITY:DYNAMIC": mobility})
    whole = compose(overlaid(inputs(), Overlay(unavailable=("Cat Cow",))), rules)
    assert names(whole, BlockType.PREP)[:2] == ["Inchworms", "SL Knee Extension Iso"]


@pytest.mark.parametrize("state", PlanState)
def test_without_the_machine_there_is_no_conditioning_and_completing_moves_no_ladder(state: PlanState) -> None:
    day = overlaid(inputs(state), NO_BIKE)
    whole = compose(day, RULES)
    assert names(whole, BlockType.CONDITIONING) == []
    (why,) = told(whole)
    assert why.sentence == "Conditioning is left out: the athlete's overlay says that Assault Bike is unavailable."
    assert [one.subject for one in whole.decisions].count("conditioning") == 1
    completion, _ = settle(
        started(day), everything_done(whole), RULES.evidence, session_number=1, completed_time=NOW, new_id=ids()
    )
    assert {effect.kind for effect in completion.effects} == {EffectKind.SLOT_DEBT}


def test_the_patterns_that_are_left_come_round() -> None:
    anchors: list[str] = []
    events: list[list[str]] = []
    for _ in range(9):
        whole = planned(inputs(ledger=history(*events)), NO_SQUAT)
        anchors.append(whole.anchor_pattern)
        events.append([slot.removesuffix(":MAIN") for slot in slots(whole)])
    assert anchors == ["PUSH", "HINGE", "PULL"] * 3


def test_the_plan_names_the_overlay_and_is_otherwise_the_same_where_it_takes_nothing() -> None:
    day = inputs(PlanState.GREEN, due("PUSH"))
    without, whole = plan(PlanState.GREEN, due("PUSH")), planned(day, Overlay(unavailable=("Push Up",)))
    assert [(r.service, r.name, r.content_hash) for r in whole.rulesets[4:]] == [("overlay", "athlete", "abc")]
    assert replace(whole, rulesets=whole.rulesets[:4]) == without


def test_an_overlay_that_a_later_ruleset_leaves_without_any_main_lift_still_gives_a_plan() -> None:
    whole = planned(inputs(), Overlay(disabled_patterns=PATTERNS))
    assert whole.anchor_pattern == "SQUAT"
    assert names(whole, BlockType.MAIN) == []
    assert names(whole, BlockType.POWER)


# Every athlete, on every kind of day, with every overlay.

ledgers = st.lists(st.sets(st.sampled_from([*PATTERNS, "CORE:FRONTAL", "PUSH:ACCESSORY_VERTICAL"])), max_size=5).map(
    lambda sessions: history(*[sorted(session) for session in sessions])
)
profiles = st.builds(
    profile,
    st.integers(1, 7),
    st.integers(1, 7),
    watts=st.none() | st.just(217),
    sit_done=st.none() | st.just(days_ago(3)),
)
days = st.builds(inputs, st.sampled_from(PlanState), ledgers, profiles)
thresholds = st.just(NO_THRESHOLDS) | st.builds(
    Thresholds, *[st.none() | bounds.map(lambda pair: Bounds(*pair)) for _ in range(2)]
)
overlays = st.builds(
    Overlay,
    thresholds,
    st.sets(st.sampled_from(sorted(set(map(pattern_of, RULES.selections))))).map(lambda one: tuple(sorted(one))),
    st.sets(st.sampled_from(sorted(RULES.catalog))).map(lambda one: tuple(sorted(one))),
)


@given(days, overlays)
def test_no_overlay_gives_a_harder_session(day: Inputs, own: Overlay) -> None:
    before, after = compose(day, RULES), planned(day, own)
    assert not is_harder(before, after)
    assert State[after.state] >= State[before.state]
    for one in after.exercises:
        if one.conditioning is None:
            # Nothing but what the rules themselves give to the slot on such a day.
            assert one.exercise.name in RULES.listed(one.slot, after.state)


@given(days, overlays)
def test_nothing_that_is_taken_away_is_planned(day: Inputs, own: Overlay) -> None:
    whole = planned(day, own)
    assert not {one.exercise.name for one in whole.exercises} & set(own.unavailable)
    assert not {pattern_of(slot) for slot in slots(whole)} & set(own.disabled_patterns)


@given(days, overlays)
def test_what_an_overlay_takes_from_a_plan_is_explained(day: Inputs, own: Overlay) -> None:
    by_same_state = compose(replace(overlaid(day, own), overlay=None), RULES)
    whole = planned(day, own)
    assert bool(told(whole)) or whole.blocks == by_same_state.blocks
    for one in told(whole):
        assert one.inputs
        assert one.sentence.endswith(".")


@given(days, overlays)
def test_inputs_with_an_overlay_survive_being_stored_and_give_the_same_plan_again(day: Inputs, own: Overlay) -> None:
    given_inputs = overlaid(day, own)
    kept = msgspec.json.decode(msgspec.json.encode(given_inputs), type=Inputs)
    assert kept == given_inputs
    assert msgspec.json.encode(compose(kept, RULES)) == msgspec.json.encode(compose(given_inputs, RULES))

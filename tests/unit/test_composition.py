"""Composition: what a session is made of, on every kind of day and for every anchor."""

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from debt_svc.domain import Ledger
from gateway.domain.composition import compose
from gateway.domain.inputs import Inputs
from gateway.domain.plan import Archetype, BlockType, Plan, Protocol, State
from gateway.rules import SessionRules, Variant
from shared.decision import Decision
from tests.unit.builders import (
    BIKE,
    PATTERNS,
    SESSION,
    days_ago,
    digest,
    due,
    history,
    inputs,
    names,
    plan,
    profile,
    slots,
)

RULES = SESSION.rules
TRAINING_DAYS = (State.GREEN, State.ORANGE)
MOBILITY = ["Inchworms", "World's Greatest Stretch", "Cat Cow", "Hip Flexor Stretch", "Pigeon Stretch"]
TRANSVERSE, SAGITTAL, FRONTAL = "Half-kneeling Cable Rotation", "Hanging Knee Tuck", "DB Side Bend"
ROW, PULLDOWN = "Chest-supported DB Row", "Lat Pulldown"
OVERHEAD, INCLINE = "Half-kneeling DB OH Press", "Incline DB Press"


def with_selection(slot: str, variants: Mapping[Variant, tuple[str, ...]]) -> SessionRules:
    return replace(RULES, selections={**RULES.selections, slot: variants})


def decision(planned: Plan, subject: str) -> Decision:
    (found,) = [one for one in planned.decisions if one.subject == subject]
    return found


def every_name(planned: Plan) -> list[str]:
    return [one.exercise.name for one in planned.exercises]


@pytest.mark.parametrize("state", TRAINING_DAYS)
@pytest.mark.parametrize("anchor", PATTERNS)
def test_performance_has_its_five_blocks_in_order(state: State, anchor: str) -> None:
    planned = plan(state, due(anchor))
    assert planned.archetype is Archetype.PERFORMANCE
    assert [(block.type.value, block.label) for block in planned.blocks] == [
        ("PREP", "Mobility & Activation"),
        ("POWER", "Plyometrics & Power"),
        ("MAIN", "Primary Strength"),
        ("ACCESSORIES", "Accessory Lifts"),
        ("CONDITIONING", "Off-Feet Conditioning"),
    ]


@pytest.mark.parametrize("anchor", PATTERNS)
def test_recovery_has_its_four_blocks_in_order(anchor: str) -> None:
    planned = plan(State.RED, due(anchor))
    assert planned.archetype is Archetype.RECOVERY
    assert [(block.type.value, block.label) for block in planned.blocks] == [
        ("PREP", "Mobility & Core"),
        ("MAIN", "Isometrics"),
        ("ACCESSORY", "Upper Body Accessories"),
        ("CONDITIONING", "Off-Feet Conditioning"),
    ]


@pytest.mark.parametrize("state", TRAINING_DAYS)
def test_performance_prepares_with_mobility_patellar_isometrics_and_core(state: State) -> None:
    assert names(plan(state), BlockType.PREP) == [*MOBILITY, "SL Knee Extension Iso", TRANSVERSE]


def test_recovery_prepares_with_mobility_and_core() -> None:
    assert names(plan(State.RED), BlockType.PREP) == [*MOBILITY, TRANSVERSE]


def test_recovery_holds_isometrics_for_knee_and_hamstring() -> None:
    assert names(plan(State.RED), BlockType.MAIN) == ["SL Knee Extension Iso", "SL Foam Roller Hamstring Iso"]


@pytest.mark.parametrize(
    ("state", "power"),
    [
        (State.GREEN, ["Hurdle Jump", "Hang Power Clean"]),
        (State.ORANGE, ["Box Jump", "Snatch Grip High Pull"]),
        (State.RED, []),
    ],
)
@pytest.mark.parametrize("anchor", PATTERNS)
def test_power_is_high_on_green_low_on_orange_and_absent_on_red(state: State, power: list[str], anchor: str) -> None:
    assert names(plan(state, due(anchor)), BlockType.POWER) == power


MAIN_LIFTS = {
    (State.GREEN, "SQUAT"): "Back Squat",
    (State.ORANGE, "SQUAT"): "Box Squat (Vertical Shin)",
    (State.GREEN, "PUSH"): "BB Bench Press",
    (State.ORANGE, "PUSH"): "BB Bench Press",
    (State.GREEN, "HINGE"): "BB RDL",
    (State.ORANGE, "HINGE"): "BB RDL",
    (State.GREEN, "PULL"): "Chin Up",
    (State.ORANGE, "PULL"): "Chin Up",
}


@pytest.mark.parametrize(("day", "lift"), MAIN_LIFTS.items())
def test_main_lift_is_that_of_the_anchor_for_the_day(day: tuple[State, str], lift: str) -> None:
    state, anchor = day
    planned = plan(state, due(anchor))
    assert planned.anchor_pattern == anchor
    assert names(planned, BlockType.MAIN) == [lift]


ACCESSORIES = {
    (State.GREEN, "SQUAT"): [ROW, "DB SL RDL"],
    (State.GREEN, "PUSH"): ["SL Knee Extension", PULLDOWN],
    (State.GREEN, "HINGE"): [INCLINE, "DB Bulgarian Split Squat"],
    (State.GREEN, "PULL"): ["SL Leg Curl", OVERHEAD],
    (State.ORANGE, "SQUAT"): [ROW, "DB SL RDL"],
    (State.ORANGE, "PUSH"): [PULLDOWN],  # the knee extension isometric stands in PREP already
    (State.ORANGE, "HINGE"): [INCLINE, "Lunge Iso Hold"],
    (State.ORANGE, "PULL"): ["SL Leg Curl", OVERHEAD],
}


@pytest.mark.parametrize(("day", "lifts"), ACCESSORIES.items())
def test_accessories_are_those_related_to_the_anchor(day: tuple[State, str], lifts: list[str]) -> None:
    state, anchor = day
    assert names(plan(state, due(anchor)), BlockType.ACCESSORIES) == lifts


@pytest.mark.parametrize("anchor", PATTERNS)
def test_recovery_names_the_anchor_and_holds_no_main_lift(anchor: str) -> None:
    planned = plan(State.RED, due(anchor))
    assert planned.anchor_pattern == anchor
    assert not [slot for slot in slots(planned) if slot.endswith(":MAIN")]
    assert "stays due" in decision(planned, "anchor_pattern").sentence


@pytest.mark.parametrize(
    ("trained", "turn"),
    [
        ([], TRANSVERSE),
        (["CORE:TRANSVERSE"], SAGITTAL),
        (["CORE:TRANSVERSE", "CORE:SAGITTAL"], FRONTAL),
        (["CORE:TRANSVERSE", "CORE:SAGITTAL", "CORE:FRONTAL"], TRANSVERSE),
        (["CORE:FRONTAL", "CORE:TRANSVERSE", "CORE:SAGITTAL"], FRONTAL),
    ],
)
@pytest.mark.parametrize("state", State)
def test_core_is_the_one_whose_turn_it_is(trained: list[str], turn: str, state: State) -> None:
    assert names(plan(state, history(*[[slot] for slot in trained])), BlockType.PREP)[-1] == turn


def test_recovery_accessories_are_vertical_push_and_horizontal_pull_at_first() -> None:
    assert names(plan(State.RED), BlockType.ACCESSORY) == [OVERHEAD, ROW]


def test_recovery_pull_complements_the_push_that_is_due() -> None:
    planned = plan(State.RED, history(["PUSH:ACCESSORY_VERTICAL"]))
    assert names(planned, BlockType.ACCESSORY) == [INCLINE, PULLDOWN]


def test_recovery_pull_complements_even_if_the_other_pull_is_due() -> None:
    planned = plan(State.RED, history(["PUSH:ACCESSORY_VERTICAL"], ["PULL:ACCESSORY_VERTICAL"]))
    assert names(planned, BlockType.ACCESSORY) == [INCLINE, PULLDOWN]
    why = decision(planned, "PULL:ACCESSORY")
    assert why.rule_id == "session.complements.PUSH:ACCESSORY_HORIZONTAL"
    assert why.alternatives == ("PULL:ACCESSORY_HORIZONTAL",)
    assert why.sentence == "PULL:ACCESSORY_VERTICAL complements PUSH:ACCESSORY_HORIZONTAL."


def test_without_a_complement_the_most_due_takes_its_turn() -> None:
    ledger = history(["PUSH:ACCESSORY_VERTICAL"], ["PULL:ACCESSORY_VERTICAL"])
    planned = plan(State.RED, ledger, rules=replace(RULES, complements={}))
    assert names(planned, BlockType.ACCESSORY) == [INCLINE, ROW]


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("anchor", PATTERNS)
def test_no_exercise_comes_from_the_list_of_another_state(state: State, anchor: str) -> None:
    for planned in plan(state, due(anchor)).exercises:
        if planned.conditioning is None:
            variants = RULES.selections[planned.slot]
            allowed = variants.get(Variant(state.value), variants.get(Variant.DEFAULT, ()))
            assert planned.exercise.name in allowed


def test_slot_without_a_list_for_the_day_is_left_out_with_a_decision() -> None:
    green_only = with_selection("SQUAT:MAIN", {Variant.GREEN: ("Back Squat",)})
    planned = plan(State.ORANGE, due("SQUAT"), rules=green_only)
    assert names(planned, BlockType.MAIN) == []
    why = decision(planned, "SQUAT:MAIN")
    assert (why.outcome, why.alternatives) == ("", ("Back Squat",))
    assert why.sentence.startswith("SQUAT:MAIN is left out: it has no exercise")
    assert "ORANGE" in why.sentence


def test_own_list_goes_before_the_default() -> None:
    both = with_selection("PULL:MAIN", {Variant.DEFAULT: ("Chin Up",), Variant.ORANGE: ("Lat Pulldown",)})
    assert names(plan(State.ORANGE, due("PULL"), rules=both), BlockType.MAIN) == ["Lat Pulldown"]
    assert names(plan(State.GREEN, due("PULL"), rules=both), BlockType.MAIN) == ["Chin Up"]


def test_spare_list_alone_never_fills_a_slot() -> None:
    spare_only = with_selection("PULL:MAIN", {Variant.SPARE: ("Chin Up",)})
    assert "Chin Up" not in every_name(plan(State.GREEN, due("PULL"), rules=spare_only))


def test_empty_block_is_left_out() -> None:
    no_low_power = with_selection("RFD:LOW", {Variant.GREEN: ("Box Jump",)})
    planned = plan(State.ORANGE, rules=no_low_power)
    assert BlockType.POWER not in [block.type for block in planned.blocks]
    assert decision(planned, "RFD:LOW").outcome == ""


def test_orange_push_day_drops_the_knee_extension_that_stands_already() -> None:
    planned = plan(State.ORANGE, due("PUSH"))
    assert every_name(planned).count("SL Knee Extension Iso") == 1
    assert "SQUAT:ACCESSORY" not in slots(planned)
    why = decision(planned, "SQUAT:ACCESSORY")
    assert (why.outcome, why.alternatives) == ("", ("SL Knee Extension Iso",))
    assert why.sentence == "SQUAT:ACCESSORY is left out: SL Knee Extension Iso already stands in this session."


def test_spare_replaces_an_exercise_that_stands_already() -> None:
    spare = with_selection(
        "SQUAT:ACCESSORY",
        {Variant.ORANGE: ("SL Knee Extension Iso",), Variant.SPARE: ("Spanish Squat Hold", "SL Wall Sit")},
    )
    planned = plan(State.ORANGE, due("PUSH"), rules=spare)
    assert names(planned, BlockType.ACCESSORIES) == ["Spanish Squat Hold", PULLDOWN]
    why = decision(planned, "SQUAT:ACCESSORY")
    assert (why.outcome, why.alternatives) == ("Spanish Squat Hold", ("SL Knee Extension Iso",))
    assert "Spanish Squat Hold replaces SL Knee Extension Iso" in why.sentence


def test_spare_that_stands_already_is_passed_over() -> None:
    spare = with_selection(
        "SQUAT:ACCESSORY", {Variant.ORANGE: ("SL Knee Extension Iso",), Variant.SPARE: ("Cat Cow", "SL Wall Sit")}
    )
    assert names(plan(State.ORANGE, due("PUSH"), rules=spare), BlockType.ACCESSORIES)[0] == "SL Wall Sit"


def test_spare_is_not_used_while_the_first_choice_is_free() -> None:
    spare = with_selection("PULL:MAIN", {Variant.DEFAULT: ("Chin Up",), Variant.SPARE: ("Lat Pulldown",)})
    assert names(plan(State.GREEN, due("PULL"), rules=spare), BlockType.MAIN) == ["Chin Up"]


@pytest.mark.parametrize(
    ("state", "protocol"), [(State.GREEN, Protocol.HIIT), (State.ORANGE, Protocol.HIIT), (State.RED, Protocol.SS)]
)
def test_conditioning_is_what_was_prescribed_for_the_state(state: State, protocol: Protocol) -> None:
    given_inputs = inputs(state, known=profile(2, 3, watts=200))
    (block,) = [block for block in compose(given_inputs, RULES).blocks if block.type is BlockType.CONDITIONING]
    (planned,) = block.exercises
    assert planned.conditioning == given_inputs.profile.prescriptions[state].conditioning
    assert planned.conditioning is not None
    assert planned.conditioning.protocol is protocol
    assert (planned.exercise.name, planned.slot) == (BIKE, "CONDITIONING")


def test_plan_names_the_rules_of_all_four() -> None:
    assert [(r.service, r.name) for r in plan().rulesets] == [
        ("readiness", "classic"),
        ("debt", "classic"),
        ("conditioning", "classic"),
        ("session", "classic"),
    ]
    assert len({ruleset.content_hash for ruleset in plan().rulesets}) == 4


def test_exercises_carry_what_the_catalog_says() -> None:
    squat = next(one.exercise for one in plan(State.GREEN, due("SQUAT")).exercises if one.slot == "SQUAT:MAIN")
    assert squat == RULES.exercise("Back Squat")
    assert (squat.is_unilateral, squat.load_type.value, squat.tracking_unit.value) == (False, "WEIGHTED", "REPS")


def test_exercise_ids_are_unique_and_plain() -> None:
    found = [RULES.exercise(name).exercise_id for name in RULES.catalog]
    assert len(set(found)) == len(found)
    assert RULES.exercise("World's Greatest Stretch").exercise_id == "worlds-greatest-stretch"
    assert RULES.exercise("Box Squat (Vertical Shin)").exercise_id == "box-squat-vertical-shin"


# Every athlete, on every kind of day.

ledgers = st.lists(
    st.sets(
        st.sampled_from([*PATTERNS, *(slot for slots in RULES.complements.items() for slot in slots), "CORE:FRONTAL"])
    ),
    max_size=6,
).map(lambda sessions: Ledger() if not sessions else history(*[sorted(session) for session in sessions]))
profiles = st.builds(
    profile,
    st.integers(1, 7),
    st.integers(1, 7),
    watts=st.none() | st.integers(40, 700),
    sit_done=st.none() | st.just(days_ago(3)),
)
any_inputs = st.builds(inputs, st.sampled_from(State), ledgers, profiles)


@given(any_inputs)
def test_no_exercise_stands_twice(given_inputs: Inputs) -> None:
    found = every_name(compose(given_inputs, RULES))
    assert len(set(found)) == len(found)


@given(any_inputs)
def test_no_block_is_empty(given_inputs: Inputs) -> None:
    assert all(block.exercises for block in compose(given_inputs, RULES).blocks)


@given(any_inputs)
def test_every_exercise_and_everything_left_out_is_explained(given_inputs: Inputs) -> None:
    planned = compose(given_inputs, RULES)
    outcomes = {(one.subject, one.outcome) for one in planned.decisions}
    for exercise in planned.exercises:
        if exercise.conditioning is None:
            assert (exercise.slot, exercise.exercise.name) in outcomes
        else:
            assert ("conditioning", exercise.conditioning.protocol.value) in outcomes
    for one in planned.decisions:
        assert one.rule_id
        assert one.inputs
        assert one.sentence.endswith(".")
    assert {"state", "archetype", "anchor_pattern"} <= {one.subject for one in planned.decisions}


@given(any_inputs)
def test_every_planned_slot_has_a_selection_and_one_that_takes_turns_is_known_to_the_ledger(
    given_inputs: Inputs,
) -> None:
    planned = compose(given_inputs, RULES)
    assert planned.anchor_pattern == given_inputs.ledger.main.slots[0].slot
    for slot in slots(planned):
        assert slot == "CONDITIONING" or slot in RULES.selections


@given(any_inputs)
def test_same_inputs_give_the_same_bytes(given_inputs: Inputs) -> None:
    one, other = compose(given_inputs, RULES), compose(given_inputs, RULES)
    assert one == other
    assert msgspec.json.encode(one) == msgspec.json.encode(other)


@given(any_inputs)
def test_plan_and_inputs_survive_being_stored_and_give_the_same_plan_again(given_inputs: Inputs) -> None:
    planned = compose(given_inputs, RULES)
    assert msgspec.json.decode(msgspec.json.encode(planned), type=Plan) == planned
    kept = msgspec.json.decode(msgspec.json.encode(given_inputs), type=Inputs)
    assert kept == given_inputs
    assert msgspec.json.encode(compose(kept, RULES)) == msgspec.json.encode(planned)


def test_plans_are_the_same_whatever_the_hash_seed() -> None:
    command = [sys.executable, "-c", "from tests.unit.builders import digest; print(digest())"]
    root = Path(__file__).resolve().parents[2]
    elsewhere = subprocess.run(
        command, cwd=root, env={**os.environ, "PYTHONHASHSEED": "4711"}, capture_output=True, text=True, check=True
    )
    assert elsewhere.stdout.strip() == digest()


def test_anchors_come_round_every_four_sessions() -> None:
    anchors: list[str] = []
    events: list[list[str]] = []
    for _ in range(24):
        planned = plan(State.GREEN, history(*events))
        anchors.append(planned.anchor_pattern)
        events.append([slot.removesuffix(":MAIN") for slot in slots(planned) if slot.removesuffix(":MAIN") in TURNS])
    assert anchors == list(PATTERNS) * 6


TURNS = frozenset(inputs().ledger.slots)

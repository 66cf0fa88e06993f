"""The shipped rules of all four: they load, and what would make them wrong is found before anything starts."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.resources import files
from typing import Any

import pytest

from conditioning_svc.rules import ConditioningRules
from debt_svc.rules import DebtRules
from gateway.rules import SessionRules, disagreements
from readiness_svc.rules import ReadinessRules
from shared.rules_loader import Loaded, RulesError, load_text
from tests.unit.builders import BIKE, CONDITIONING, DEBT, READINESS, SESSION

SHAPES: Mapping[str, type[Any]] = {
    "readiness_svc": ReadinessRules,
    "debt_svc": DebtRules,
    "conditioning_svc": ConditioningRules,
    "gateway": SessionRules,
}
ROTATIONS = DEBT.rules.rotations


def shipped(package: str) -> str:
    return (files(package) / "rules.yaml").read_text(encoding="utf-8")


def faults(package: str, old: str, new: str) -> list[str]:
    """What is said of the shipped rules of a package when `old` is replaced by `new`."""
    text = shipped(package)
    assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times"
    with pytest.raises(RulesError) as caught:
        load_text(text.replace(old, new), SHAPES[package], file="rules.yaml")
    return [str(problem) for problem in caught.value.problems]


def line_of(package: str, text: str) -> int:
    return shipped(package).split(text)[0].count("\n") + 1


def test_shipped_rules_of_all_four_load() -> None:
    assert [loaded.rules.ruleset for loaded in (READINESS, DEBT, CONDITIONING, SESSION)] == ["classic"] * 4
    assert len({loaded.content_hash for loaded in (READINESS, DEBT, CONDITIONING, SESSION)}) == 4


@pytest.mark.parametrize("package", SHAPES)
def test_shipped_rules_are_the_same_every_time(package: str) -> None:
    def loaded() -> Loaded[Any]:
        return load_text(shipped(package), SHAPES[package], file="rules.yaml")

    assert loaded() == loaded()


# Faults that are reported at the line where they stand: package, text, its replacement, what is said of it.
LOCAL = [
    ("readiness_svc", "ruleset:", "rulset:", "unknown key 'rulset'; did you mean 'ruleset'?"),
    ("readiness_svc", "{worse: HIGHER,", "{worse: HIGHR,", "unknown value 'HIGHR'; did you mean 'HIGHER'?"),
    ("readiness_svc", "{worse: LOWER,", "{", "signals.energy: missing key 'worse'"),
    ("readiness_svc", "lower: 4,", "lower: 4.5,", "signals.knee_pain.lower: must be a whole number"),
    ("readiness_svc", "lower: 4,", "lower: 6,", "lower (6) and upper (6) must satisfy 1 <= lower < upper <= 10"),
    ("readiness_svc", "upper: 6}", "upper: 11}", "lower (4) and upper (11) must satisfy"),
    ("readiness_svc", "lower: 3,", "lower: 0,", "lower (0) and upper (5) must satisfy"),
    ("readiness_svc", "  energy: {", "  enrgy: {", "unknown signal 'enrgy'; a check-in has knee_pain, energy"),
    ("readiness_svc", "  ORANGE: PERF", "  ORNGE: PERF", "unknown value 'ORNGE'; did you mean 'ORANGE'?"),
    ("readiness_svc", "RED: RECOVERY", "RED: PERFORMANCE", "RED may only lead to RECOVERY"),
    ("readiness_svc", "RED: RECOVERY", "RED: REST", "unknown value 'REST'"),
    ("debt_svc", "metric: sessions", "metric: session", "unknown value 'session'; did you mean 'sessions'?"),
    ("debt_svc", "metric: sessions", "metric: [sessions]", "metric: unknown value"),
    ("debt_svc", "CORE: [CORE:TRANSVERSE, CORE:SAGITTAL, CORE:FRONTAL]", "CORE: []", "rotation 'CORE' has no slots"),
    ("debt_svc", "under_hours: 48", "under_hours: 0", "must be positive and rise from status to status"),
    ("debt_svc", "under_hours: 48", "under_hours: 96", "must be positive and rise from status to status"),
    ("debt_svc", "{text: Fatigued, under_hours: 48}", "{text: Fatigued}", "those after it are never reached"),
    ("debt_svc", "under_hours: 96}", "under_hours: soon}", "statuses[1].under_hours: must be a whole number"),
    ("debt_svc", "{text: Fully Primed}", "{txt: Fully Primed}", "unknown key 'txt'; did you mean 'text'?"),
    ("conditioning_svc", "RED: [SS]", "RED: [SS, SIT]", "RED must not train SIT: it is more than conversational"),
    ("conditioning_svc", "RED: [SS]", "RED: [HIT]", "unknown value 'HIT'; did you mean 'HIIT'?"),
    ("conditioning_svc", "RED: [SS]", "RED: SS", "by_state.RED: must be a list"),
    ("conditioning_svc", "effort: BENCHMARK, text: 2-mile time trial", "effort: BENCHMARK", "a BENCHMARK is one round"),
    ("conditioning_svc", "{rounds: 1, effort: BENCHMARK", "{rounds: 2, effort: BENCHMARK", "a BENCHMARK is one round"),
    ("conditioning_svc", "{rounds: 2, work_seconds: 30, ", "{rounds: 2, ", "several rounds need work_seconds"),
    ("conditioning_svc", "rest_seconds: 60, ", "", "several rounds need work_seconds and rest_seconds"),
    ("conditioning_svc", "work_seconds: 1800", "work_seconds: 0", "work_seconds must be at least 1"),
    ("conditioning_svc", "{rounds: 2, work_seconds: 30,", "{rounds: 0, work_seconds: 30,", "rounds must be at least 1"),
    (
        "conditioning_svc",
        "{rounds: 10, work_seconds: 30, rest_seconds: 30, effort: TARGET_WATTS, multiplier: 1.2}",
        "{rounds: 10, work_seconds: 30, rest_seconds: 30, effort: TARGET_WATTS, multiplier: 1.31}",
        "multiplier must be above 0 and at most 1.30",
    ),
    (
        "conditioning_svc",
        "{rounds: 10, work_seconds: 40, rest_seconds: 20, effort: TARGET_WATTS, multiplier: 1.2}",
        "{rounds: 10, work_seconds: 40, rest_seconds: 20, effort: TARGET_WATTS, multiplier: 0}",
        "multiplier must be above 0 and at most 1.30",
    ),
    (
        "conditioning_svc",
        "{rounds: 9, work_seconds: 40, rest_seconds: 20, effort: TARGET_WATTS, multiplier: 1.2}",
        "{rounds: 9, work_seconds: 40, rest_seconds: 20, effort: TARGET_WATTS}",
        "multiplier belongs to TARGET_WATTS, and only there",
    ),
    (
        "conditioning_svc",
        "{rounds: 2, work_seconds: 30, rest_seconds: 60, effort: ALL_OUT}",
        "{rounds: 2, work_seconds: 30, rest_seconds: 60, effort: ALL_OUT, multiplier: 1.2}",
        "multiplier belongs to TARGET_WATTS, and only there",
    ),
    ("conditioning_svc", "effort: CONVERSATIONAL", "effort: CONVERSATION", "did you mean 'CONVERSATIONAL'?"),
    ("gateway", "Back Squat: {load: WEIGHTED,", "Back Squat: {load: WEIGTHED,", "did you mean 'WEIGHTED'?"),
    ("gateway", "Back Squat: {load: WEIGHTED, unit: REPS,", "Back Squat: {load: WEIGHTED,", "missing key 'unit'"),
    ("gateway", "  Trap Bar Deadlift: {load: WEIGHTED, unit: REPS, reserve: true}",
     "  Trap Bar Deadlift: {load: WEIGHTED, unit: REPS}",
     "'Trap Bar Deadlift' is never planned; mark it `reserve: true`"),
    ("gateway", "  Chin Up: {load: BODYWEIGHT, unit: REPS}", "  Chin Up: {load: BODYWEIGHT, unit: REPS, reserve: true}",
     "exercise 'Chin Up' is planned, so it is no reserve"),
    ("gateway", "[Back Squat]", "[Back Sqat]", "unknown exercise 'Back Sqat'; did you mean 'Back Squat'?"),
    ("gateway", "[{tier: RFD}]", "[{}]", "exactly one of slot, tier, rotation, anchor, conditioning: true"),
    ("gateway", "[{tier: RFD}]", "[{tier: RFD, slot: RFD:LOW}]", "exactly one of slot, tier, rotation, anchor"),
    ("gateway", "[{tier: RFD}]", "[{tier: RFD, complements: CORE}]", "complements goes with rotation"),
    ("gateway", "[{tier: RFD}]", "[{tier: RDF}]", "unknown tier 'RDF'; did you mean 'RFD'?"),
    ("gateway", "[{tier: RFD}]", "[]", "a block needs at least one component"),
    ("gateway", "{slot: ISOMETRIC:HAMSTRING}", "{slot: ISOMETRIC:HAMSTRINGS}", "did you mean 'ISOMETRIC:HAMSTRING'?"),
    ("gateway", "[{anchor: RELATED}]", "[{anchor: RELATIVE}]", "did you mean 'RELATED'?"),
    ("gateway", "{type: POWER, label", "{type: POWR, label", "unknown value 'POWR'; did you mean 'POWER'?"),
    ("gateway", "ORANGE: RFD:LOW", "ORANGE: RFD:LOWER", "unknown slot 'RFD:LOWER'; did you mean 'RFD:LOW'?"),
    ("gateway", ", RED: RFD:UPPER}", "}", "there is no slot for state RED"),
    ("gateway", "HINGE:ACCESSORY_HIP]", "HINGE:ACCESSORY_HIPS]", "unknown slot 'HINGE:ACCESSORY_HIPS'; did you mean"),
    ("gateway", "  HINGE: [PUSH", "  HINGES: [PUSH", "unknown slot 'HINGES:MAIN'; did you mean 'HINGE:MAIN'?"),
    ("gateway", "PUSH:ACCESSORY_VERTICAL: PULL:ACCESSORY_HORIZONTAL",
     "PUSH:ACCESSORY_VERTICAL: PULL:ACCESSORY_HORIZONAL", "unknown slot 'PULL:ACCESSORY_HORIZONAL'"),
    ("gateway", "  LUNGE:ACCESSORY: {GREEN", "  LUNGES:ACCESSORY: {GREEN",
     "nothing ever asks for slot 'LUNGES:ACCESSORY'"),
    ("gateway", "HINGE:MAIN: {DEFAULT", "HINGE:MAIN: {DEFALT", "unknown value 'DEFALT'; did you mean 'DEFAULT'?"),
    ("gateway", "working_sets: 1 ", "working_sets: 0 ", "nothing progresses without evidence"),
    ("gateway", "interval_rounds: 1.0", "interval_rounds: 0", "interval_rounds is a share above 0 and at most 1"),
    ("gateway", "interval_rounds: 1.0", "interval_rounds: 1.1", "interval_rounds is a share above 0 and at most 1"),
    ("gateway", "lowest: 40", "lowest: 0", "0 < lowest < highest <= 2000"),
    ("gateway", "highest: 700", "highest: 40", "0 < lowest < highest <= 2000"),
    ("gateway", "highest: 700", "highest: 2001", "0 < lowest < highest <= 2000"),
    ("gateway", "correction_hours: 24", "correction_hours: -1", "correction_hours must not be negative"),
    ("gateway", "late_completion_days: 14", "late_completion_days: -1", "late_completion_days must not be negative"),
    ("gateway", "late_completion_days: 14", "late_completion_day: 14", "did you mean 'late_completion_days'?"),
]  # fmt: skip

# Faults of something that is not there, or of the whole: reported at the table that should have it.
OF_A_TABLE = [
    ("readiness_svc", "  knee_pain: {", "  knee: {", "  knee_pain: {", "signal 'knee_pain' is not graded"),
    ("readiness_svc", "  GREEN: PERFORMANCE\n", "", "  GREEN: PERFORMANCE", "state GREEN leads to no archetype"),
    ("debt_svc", "  MAIN: [SQUAT", "  MAINS: [SQUAT", "  MAIN:", "there is no rotation 'MAIN'"),
    ("debt_svc", "[SQUAT, PUSH, HINGE, PULL]", "[SQUAT, PUSH, SQUAT]", "  MAIN:", "slot 'SQUAT' stands 2 times"),
    ("debt_svc", "CORE:FRONTAL]", "SQUAT]", "  MAIN:", "a slot belongs to one rotation, once"),
    ("debt_svc", "  - {text: Fully Primed}\n", "", "  - {text: Fatigued", "the last status must have no under_hours"),
    ("conditioning_svc", "  GREEN: [HIIT, SIT]\n", "", "  GREEN: [", "state GREEN trains no protocol"),
    ("conditioning_svc", "  RED: [SS]", "  RED: []", "  GREEN: [", "state RED trains no protocol"),
    ("conditioning_svc", "  ORANGE: [HIIT, SIT]\n  RED: [SS]", "  ORANGE: [HIIT]\n  RED: [HIIT]",
     "    progressive: false", "no state trains SS, so its ladder is unreachable"),
    ("conditioning_svc", "      - {rounds: 1, effort: BENCHMARK, text: 2-mile time trial}\n", "",
     "      - {rounds: 1, effort: BENCH",
     "TARGET_WATTS scales a benchmark, but no level of this ladder measures one"),
    ("conditioning_svc", "  SIT:\n    progressive: true", "  SIT:\n    progressive: false", "      - {rounds: 2,",
     "a ladder that is not progressive never leaves level 1"),
    ("gateway", "  RECOVERY:\n", "  RECOVRY:\n", "  RECOVERY:\n", "unknown value 'RECOVRY'; did you mean 'RECOVERY'?"),
]  # fmt: skip


@pytest.mark.parametrize(("package", "old", "new", "said"), LOCAL)
def test_fault_in_shipped_rules_is_reported_where_it_stands(package: str, old: str, new: str, said: str) -> None:
    found = faults(package, old, new)
    prefix = f"rules.yaml:{line_of(package, old)}: "
    assert any(said in one and one.startswith(prefix) for one in found), found


@pytest.mark.parametrize(("package", "old", "new", "table", "said"), OF_A_TABLE)
def test_fault_of_a_whole_table_is_reported_at_the_table(
    package: str, old: str, new: str, table: str, said: str
) -> None:
    # a table begins where its first entry stands
    prefix = f"rules.yaml:{line_of(package, table)}: "
    found = faults(package, old, new)
    assert any(said in one and one.startswith(prefix) for one in found), found


def test_ladder_without_levels_is_refused() -> None:
    text = shipped("conditioning_svc").split("  SS:\n")[0] + "  SS:\n    progressive: false\n    levels: []\n"
    with pytest.raises(RulesError, match="a ladder needs at least one level"):
        load_text(text, ConditioningRules, file="rules.yaml")


def test_protocol_without_a_ladder_is_refused() -> None:
    text = shipped("conditioning_svc").split("  SS:\n")[0]
    with pytest.raises(RulesError, match="protocol SS has no ladder"):
        load_text(text, ConditioningRules, file="rules.yaml")


def test_archetype_without_blocks_is_refused() -> None:
    before, after = shipped("gateway").split("  RECOVERY:\n")
    text = before + "  RECOVERY: []\n" + after[after.index("\n# Slots by") :]
    with pytest.raises(RulesError, match="archetype RECOVERY has no blocks"):
        load_text(text, SessionRules, file="rules.yaml")


def test_several_faults_in_shipped_rules_are_reported_at_once() -> None:
    text = shipped("gateway").replace("[Back Squat]", "[Back Sqat]").replace("working_sets: 1 ", "working_sets: 0 ")
    text = text.replace("ORANGE: RFD:LOW", "ORANGE: RFD:LOWER")
    with pytest.raises(RulesError) as caught:
        load_text(text, SessionRules, file="rules.yaml")
    for said in (
        "'Back Sqat'",
        "working_sets must be at least 1",
        "'RFD:LOWER'",
        "exercise 'Back Squat' is never planned",
    ):
        assert said in str(caught.value)


# A ruleset may tighten what keeps athletes safe, and never loosen it.
LOOSENED = [
    pytest.param("readiness_svc", "lower: 4, upper: 6}", "lower: 4, upper: 7}", id="knee pain 6 is not RED"),
    pytest.param("readiness_svc", "  GREEN: PERFORMANCE", "  GREEN: RECOVERY", id="ORANGE trains harder than GREEN"),
    pytest.param("readiness_svc", "knee_pain: {worse: HIGHER", "knee_pain: {worse: LOWER", id="more pain is better"),
    pytest.param("conditioning_svc", "  GREEN: [HIIT, SIT]", "  GREEN: [HIIT]", id="SIT on ORANGE days only"),
    pytest.param(
        "gateway", "GREEN: RFD:HIGH, ORANGE: RFD:LOW", "GREEN: RFD:LOW, ORANGE: RFD:HIGH", id="HIGH on ORANGE"
    ),
]


@pytest.mark.parametrize(("package", "old", "new"), LOOSENED)
def test_rules_that_loosen_safety_are_refused(package: str, old: str, new: str) -> None:
    assert faults(package, old, new)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("lower: 4, upper: 6}", "lower: 3, upper: 5}"),
        ("  ORANGE: PERFORMANCE", "  ORANGE: RECOVERY"),
        ("lower: 3, upper: 5}", "lower: 4, upper: 7}"),
    ],
)
def test_rules_that_tighten_safety_are_fine(old: str, new: str) -> None:
    text = shipped("readiness_svc")
    assert text.count(old) == 1
    load_text(text.replace(old, new), ReadinessRules, file="rules.yaml")


def test_complement_of_a_rotation_that_does_not_exist_is_refused() -> None:
    wrong = "{rotation: PULL:ACCESSORY, complements: PUSH:ACCESSORI}"
    text = shipped("gateway").replace("{rotation: PULL:ACCESSORY, complements: PUSH:ACCESSORY}", wrong)
    assert wrong in text
    try:
        rules = load_text(text, SessionRules, file="rules.yaml").rules
    except RulesError as error:
        assert "PUSH:ACCESSORI" in str(error)  # noqa: PT017 - either place may find it
    else:
        assert any("PUSH:ACCESSORI" in message for _, _, message in disagreements(rules, ROTATIONS, BIKE))


def test_tier_that_no_template_asks_for_is_refused() -> None:
    line = "    - {type: POWER, label: Plyometrics & Power, components: [{tier: RFD}]}\n"
    assert any("RFD" in one for one in faults("gateway", line, ""))


# What the services' rules and the gateway's say of each other.


def test_shipped_rules_agree_with_each_other() -> None:
    assert list(disagreements(SESSION.rules, ROTATIONS, BIKE)) == []


def said_of(
    rotations: Mapping[str, Sequence[str]] = ROTATIONS, equipment: str = BIKE, rules: SessionRules = SESSION.rules
) -> str:
    return "\n".join(message for _, _, message in disagreements(rules, rotations, equipment))


def test_rotation_that_debt_does_not_have_is_a_disagreement() -> None:
    renamed = {("CORES" if name == "CORE" else name): slots for name, slots in ROTATIONS.items()}
    assert "unknown rotation 'CORE'; did you mean 'CORES'?" in said_of(renamed)


def test_main_pattern_without_accessories_is_a_disagreement() -> None:
    said = said_of({**ROTATIONS, "MAIN": (*ROTATIONS["MAIN"], "CARRY")})
    assert "main pattern 'CARRY' has no related accessories" in said
    assert "slot 'CARRY:MAIN' of rotation 'MAIN' has no selection" in said


def test_slot_without_selection_is_a_disagreement() -> None:
    said = said_of({**ROTATIONS, "CORE": (*ROTATIONS["CORE"], "CORE:LATERAL")})
    assert said == "slot 'CORE:LATERAL' of rotation 'CORE' has no selection; did you mean 'CORE:SAGITTAL'?"


def test_what_only_a_rotation_could_ask_for_and_does_not_is_a_disagreement() -> None:
    said = said_of({**ROTATIONS, "CORE": ROTATIONS["CORE"][1:]})
    assert said == "no template and no rotation ever asks for slot 'CORE:TRANSVERSE'"
    assert "'PULL' is no main pattern" in said_of({**ROTATIONS, "MAIN": ROTATIONS["MAIN"][:3]})
    first = said_of({**ROTATIONS, "PUSH:ACCESSORY": ROTATIONS["PUSH:ACCESSORY"][:1]})
    assert "no rotation that is complemented ever gives 'PUSH:ACCESSORY_HORIZONTAL'" in first


def test_rotation_that_no_template_asks_for_is_a_disagreement() -> None:
    assert said_of({**ROTATIONS, "ARMS": ("RFD:LOW",)}) == "no template asks for rotation 'ARMS'"


def test_machine_that_is_not_in_the_catalog_is_a_disagreement() -> None:
    assert said_of(equipment="Asault Bike") == "unknown exercise 'Asault Bike'; did you mean 'Assault Bike'?"


def test_all_disagreements_are_named_at_once() -> None:
    bare = replace(SESSION.rules, related={})
    said = said_of({**ROTATIONS, "CORE": (*ROTATIONS["CORE"], "X")}, "Rower", bare).splitlines()
    assert len([one for one in said if "has no related accessories" in one]) == 4
    assert "slot 'X' of rotation 'CORE' has no selection" in said
    assert said[-1].startswith("unknown exercise 'Rower'")

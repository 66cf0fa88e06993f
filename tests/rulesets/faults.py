"""Faults of meaning: what each file says is well formed, and cannot be meant.

Each is a service, what stands in the shipped rules, what replaces it there, and what must be said of it.
"""

from collections.abc import Iterator, Mapping

from tests.rulesets.engine import shipped_text
from tests.rulesets.mutants import Mutant

type Fault = tuple[str, str, str, str]

_HIIT_8 = "{rounds: 8, work_seconds: 40, rest_seconds: 20, effort: TARGET_WATTS, multiplier: 1.2}"
_TRIAL = "{rounds: 1, effort: BENCHMARK, text: 2-mile time trial}"
_STEADY = "{rounds: 1, work_seconds: 1800, effort: CONVERSATIONAL, text: zone 2}"
_SPRINT = "{rounds: 2, work_seconds: 30, rest_seconds: 60, effort: ALL_OUT}"
_CHIN_UP = "  Chin Up: {load: BODYWEIGHT, unit: REPS}"
_CORE = "  CORE: [CORE:TRANSVERSE, CORE:SAGITTAL, CORE:FRONTAL]"
_EVIDENCE = "evidence:\n  working_sets: 1 "

FAULTS: Mapping[str, tuple[Fault, ...]] = {
    "gap in a ladder": (
        ("conditioning", _HIIT_8, "", "must be a table"),
        ("conditioning", _HIIT_8, "{}", "missing key 'rounds'"),
        ("conditioning", _HIIT_8, "~", "must be a table"),
        ("conditioning", f"      - {_TRIAL}\n", "", "no level of this ladder measures one"),
        ("conditioning", f"    levels:\n      - {_STEADY}", "    levels: []", "a ladder needs at least one level"),
        ("conditioning", _STEADY, f"{_STEADY}\n      - {_STEADY}", "the other levels are unreachable"),
        ("conditioning", _HIIT_8, _HIIT_8.replace("rounds: 8", "rounds: 0"), "rounds must be at least 1"),
        ("conditioning", _HIIT_8, _HIIT_8.replace("rounds: 8", "rounds: -8"), "rounds must be at least 1"),
        ("conditioning", _HIIT_8, _HIIT_8.replace("work_seconds: 40, ", ""), "several rounds need work_seconds"),
        ("conditioning", _HIIT_8, _HIIT_8.replace("rest_seconds: 20, ", ""), "several rounds need work_seconds"),
        ("conditioning", _HIIT_8, _HIIT_8.replace("rest_seconds: 20", "rest_seconds: 0"), "must be at least 1"),
        ("conditioning", _HIIT_8, _HIIT_8.replace(", multiplier: 1.2", ""), "multiplier belongs to TARGET_WATTS"),
        ("conditioning", _SPRINT, _SPRINT.replace("}", ", multiplier: 1.2}"), "multiplier belongs to TARGET_WATTS"),
        ("conditioning", _TRIAL, _TRIAL.replace("rounds: 1", "rounds: 2"), "a BENCHMARK is one round"),
        ("conditioning", _TRIAL, _TRIAL.replace(", text: 2-mile time trial", ""), "needs a text"),
        ("conditioning", _STEADY, _STEADY.replace("work_seconds: 1800, ", ""), "needs work_seconds"),
    ),
    "text that disagrees with its numbers": (
        ("conditioning", "text: zone 2", "text: 20 min in zone 2", "'20 min'"),
        ("conditioning", "text: zone 2", "text: zone 2 for 1800 s", "'1800 s'"),
        ("conditioning", "text: zone 2", "text: zone 2 at 150 W", "'150 W'"),
        ("conditioning", "text: zone 2", "text: 3 rounds in zone 2", "'3 rounds'"),
        ("conditioning", "text: 2-mile time trial", "text: 5-minute time trial", "'5-minute'"),
        ("conditioning", _HIIT_8, _HIIT_8.replace("}", ", text: nine rounds}"), "text is never shown"),
        ("conditioning", _SPRINT, _SPRINT.replace("}", ", text: 30 s sprints}"), "text is never shown"),
        ("conditioning", "text: 2-mile time trial", "text: ''", "must not be empty"),
        ("debt", "text: Fatigued", "text: ''", "must not be empty"),
        ("session", "label: Primary Strength", "label: ''", "must not be empty"),
    ),
    "never read": (
        ("conditioning", _TRIAL, _TRIAL.replace("}", ", rest_seconds: 60}"), "no rest"),
        ("conditioning", _STEADY, _STEADY.replace("}", ", rest_seconds: 60}"), "no rest"),
        ("session", "ORANGE: [Box Squat (Vertical Shin)]}",
         "ORANGE: [Box Squat (Vertical Shin)], DEFAULT: [Back Squat]}", "never read"),
        ("session", "HINGE:MAIN: {DEFAULT: [BB RDL]}", "HINGE:MAIN: {DEFAULT: [BB RDL], SPARE: [BB RDL]}",
         "stands twice"),
        ("session", "HINGE:MAIN: {DEFAULT: [BB RDL]}", "HINGE:MAIN: {DEFAULT: [BB RDL], SPARE: [DB SL RDL]}",
         "never needed"),
        ("session", "RFD:HIGH: {DEFAULT: [Hurdle", "RFD:HIGH: {RED: [MB Chest Pass], DEFAULT: [Hurdle", "never read"),
    ),
    "unreachable": (
        ("session", _CHIN_UP, f"{_CHIN_UP}\n  Muscle Up: {{load: BODYWEIGHT, unit: REPS}}",
         "exercise 'Muscle Up' is never planned"),
        ("session", "  Deadbug: {load: BODYWEIGHT, unit: REPS, reserve: true}",
         "  Deadbug: {load: BODYWEIGHT, unit: REPS}", "exercise 'Deadbug' is never planned"),
        ("session", _CHIN_UP, "  Chin Up: {load: BODYWEIGHT, unit: REPS, reserve: true}", "so it is no reserve"),
        ("session", "  Assault Bike: {load", "  Rower: {load: BODYWEIGHT, unit: WATTS}\n  Assault Bike: {load",
         "exercise 'Rower' is never planned"),
        ("session", "  PULL:MAIN: {", "  CARRY:MAIN: {DEFAULT: [Push Up]}\n  PULL:MAIN: {",
         "nothing ever asks for slot 'CARRY:MAIN'"),
        ("session", "  CORE:FRONTAL: {", "  CORE:LATERAL: {DEFAULT: [Chin Up]}\n  CORE:FRONTAL: {",
         "no template and no rotation ever asks for slot 'CORE:LATERAL'"),
        ("session", "  PULL: [HINGE:ACCESSORY_KNEE", "  PULL:ACCESSORY: []\n  PULL: [HINGE:ACCESSORY_KNEE",
         "unknown slot 'PULL:ACCESSORY:MAIN'"),
        ("session", "complements:\n", "complements:\n  CORE:FRONTAL: CORE:SAGITTAL\n",
         "no rotation that is complemented ever gives 'CORE:FRONTAL'"),
        ("session", "RFD:LOW, RFD:UPPER]", "RFD:LOW, RFD:UPPER, CORE:FRONTAL]", "no state ever gets 'CORE:FRONTAL'"),
        ("session", "[{tier: RFD}]", "[{slot: RFD:LOW}]", "no template asks for tier 'RFD'"),
        ("debt", _CORE, f"{_CORE}\n  GRIP: [RFD:UPPER]", "no template asks for rotation 'GRIP'"),
        ("debt", "CORE:SAGITTAL, CORE:FRONTAL]", "CORE:SAGITTAL]", "ever asks for slot 'CORE:FRONTAL'"),
        ("debt", "{text: Fatigued, under_hours: 48}", "{text: Fatigued}", "those after it are never reached"),
        ("debt", "under_hours: 96}", "under_hours: 48}", "rise from status to status"),
        ("conditioning", "  GREEN: [HIIT, SIT]\n  ORANGE: [HIIT, SIT]", "  GREEN: [HIIT]\n  ORANGE: [HIIT]",
         "no state trains SIT"),
    ),
    "turn that never ends": (
        ("session", "HINGE:MAIN: {DEFAULT:", "HINGE:MAIN: {GREEN:", "when ORANGE: 'HINGE:MAIN' would stay due"),
        ("session", "PUSH:MAIN: {DEFAULT:", "PUSH:MAIN: {ORANGE:", "when GREEN: 'PUSH:MAIN' would stay due"),
        ("session", "CORE:FRONTAL: {DEFAULT:", "CORE:FRONTAL: {GREEN:", "when RED: 'CORE:FRONTAL' would stay due"),
        ("session", "PUSH:ACCESSORY_VERTICAL: {DEFAULT:", "PUSH:ACCESSORY_VERTICAL: {GREEN:",
         "no exercise when RED: 'PUSH:ACCESSORY_VERTICAL' would stay"),
    ),
    "repeated": (
        ("debt", "[SQUAT, PUSH, HINGE, PULL]", "[SQUAT, PUSH, HINGE, PULL, SQUAT]", "slot 'SQUAT' stands 2 times"),
        ("debt", "CORE:FRONTAL]", "CORE:FRONTAL, SQUAT]", "slot 'SQUAT' stands 2 times"),
        ("debt", "text: Recovering", "text: Fatigued", "'Fatigued' stands twice"),
        ("conditioning", "GREEN: [HIIT, SIT]\n", "GREEN: [HIIT, HIIT, SIT]\n", "'HIIT' stands twice"),
        ("conditioning", "benchmark_states: [GREEN, ORANGE]", "benchmark_states: [GREEN, GREEN, ORANGE]",
         "'GREEN' stands twice"),
        ("conditioning", "all_out_states: [GREEN, ORANGE]", "all_out_states: [GREEN, ORANGE, ORANGE]",
         "'ORANGE' stands twice"),
        ("session", "[BB RDL]", "[BB RDL, BB RDL]", "'BB RDL' stands twice"),
        ("session", "hardest_first: [RFD:HIGH", "hardest_first: [RFD:HIGH, RFD:HIGH", "'RFD:HIGH' stands twice"),
        ("session", "  SQUAT: [PULL:ACCESSORY_HORIZONTAL,", "  SQUAT: [HINGE:ACCESSORY_HIP,",
         "'HINGE:ACCESSORY_HIP' stands twice"),
        ("session", "{slot: ISOMETRIC:HAMSTRING}", "{slot: ISOMETRIC:PATELLAR}", "stands twice"),
    ),
    "contradiction": (
        ("readiness", "{worse: HIGHER, lower: 4, upper: 6}", "{worse: HIGHER, lower: 6, upper: 4}", "lower < upper"),
        ("readiness", "lower: 3, upper: 5}", "lower: 5, upper: 5}", "lower < upper"),
        ("debt", "  MAIN: [SQUAT", "  MAN: [SQUAT", "there is no rotation 'MAIN'"),
        ("debt", _CORE, "  CORE: []", "rotation 'CORE' has no slots"),
        ("debt", "under_hours: 48", "under_hours: 0", "must be positive"),
        ("debt", "under_hours: 48", "under_hours: 120", "rise from status to status"),
        ("conditioning", "at_top: HOLD", "at_top: HOLD}\nlayoff: [{after_days: 10, levels_down: 1, retest: true}]  # {",
         "exactly one of levels_down, retest"),
        ("conditioning", "benchmark_states: [GREEN, ORANGE]", "benchmark_states: [ORANGE]", "GREEN may be too"),
        ("conditioning", "all_out_states: [GREEN, ORANGE]", "all_out_states: []", "is unreachable"),
        ("conditioning", "equipment: Assault Bike", "equipment: Back Squat", "counted in WATTS"),
        ("session", "[{tier: RFD}]", "[{tier: RFD, slot: RFD:LOW}]", "exactly one of slot, tier, rotation"),
        ("session", "[{tier: RFD}]", "[{tier: RFD, complements: CORE}]", "complements goes with rotation"),
        ("session", "[{tier: RFD}]", "[{conditioning: false}]", "exactly one of slot, tier, rotation"),
        ("session", "[{anchor: RELATED}]", "[{anchor: RELATED}, {conditioning: true}]", "conditioning stands twice"),
        ("session", "{rotation: PUSH:ACCESSORY}, {rotation: PULL:ACCESSORY, complements: PUSH:ACCESSORY}",
         "{rotation: PULL:ACCESSORY, complements: PUSH:ACCESSORY}, {rotation: PUSH:ACCESSORY}", "comes before it"),
        ("session", _EVIDENCE, "evidence:\n  working_sets: 0 ", "must be at least 1"),
        ("session", _EVIDENCE, "evidence:\n  working_sets: 101 ", "must be at least 1 and at most 100"),
        ("session", "interval_rounds: 1.0", "interval_rounds: 1.5", "a share above 0 and at most 1"),
        ("session", "lowest: 40, highest: 700", "lowest: 700, highest: 40", "lowest < highest"),
        ("session", "correction_hours: 24", "correction_hours: -24", "must not be negative"),
        ("session", "late_completion_days: 14", "late_completion_days: -14", "must not be negative"),
        ("session", "  Chin Up: {load: BODYWEIGHT, unit: REPS}", "  Chin Up: {load: BODYWEIGHT, unit: WATTS}",
         "only the machine of the conditioning rules is counted in WATTS"),
    ),
    "safety: a worse day is never harder": (
        ("readiness", "energy: {worse: LOWER", "energy: {worse: HIGHER", "energy is worse when it is LOWER"),
        ("readiness", "knee_pain: {worse: HIGHER", "knee_pain: {worse: LOWER", "knee_pain is worse when it is HIGHER"),
        ("readiness", "  GREEN: PERFORMANCE", "  GREEN: RECOVERY", "ORANGE must not train harder than GREEN"),
        ("readiness", "  RED: RECOVERY", "  RED: PERFORMANCE", "a RED athlete must recover"),
        ("session", "{GREEN: RFD:HIGH, ORANGE: RFD:LOW", "{GREEN: RFD:LOW, ORANGE: RFD:HIGH", "harder slot"),
        ("session", "ORANGE: RFD:LOW", "ORANGE: RFD:HIGH", "ORANGE must not get the hardest slot"),
        ("session", "ORANGE: [SL Knee Extension Iso]}", "ORANGE: [Box Jump]}", "harder on the knee"),
        ("session", "RFD:LOW: {DEFAULT: [Box Jump,", "RFD:LOW: {DEFAULT: [Back Squat, Box Jump,",
         "harder on the knee"),
        ("conditioning", "  ORANGE: [HIIT, SIT]", "  ORANGE: [SIT]", "ORANGE would train SIT"),
        ("conditioning", "  ORANGE: [HIIT, SIT]", "  ORANGE: [SIT, HIIT]", "in the order of GREEN"),
        ("conditioning", "  GREEN: [HIIT, SIT]", "  GREEN: [HIIT]", "ORANGE must not train a harder protocol"),
    ),
    "safety: knee pain of six and more": (
        ("readiness", "lower: 4, upper: 6}", "lower: 4, upper: 7}", "knee pain of 6 and more must be RED"),
        ("session", "ISOMETRIC:PATELLAR: {DEFAULT: [SL", "ISOMETRIC:PATELLAR: {DEFAULT: [Back Squat, SL",
         "a RED day may come to ISOMETRIC:PATELLAR, and must not get 'Back Squat'"),
        ("session", "CORE:FRONTAL: {DEFAULT: [DB", "CORE:FRONTAL: {DEFAULT: [Hurdle Jump, DB",
         "a RED day may come to CORE:FRONTAL, and must not get 'Hurdle Jump'"),
        ("session", "  Hurdle Jump: {load: BODYWEIGHT, unit: REPS, knee: JUMP}",
         "  Hurdle Jump: {load: BODYWEIGHT, unit: REPS}", "mark it `knee: JUMP`"),
        ("session", "  Back Squat: {load: WEIGHTED, unit: REPS, knee: SQUAT}",
         "  Back Squat: {load: WEIGHTED, unit: REPS}", "mark it `knee: SQUAT`"),
        ("session", "Lunge Iso Hold: {unilateral: true, load: WEIGHTED, unit: SECS, knee: LUNGE}",
         "Lunge Iso Hold: {unilateral: true, load: WEIGHTED, unit: SECS}", "mark it `knee: LUNGE`"),
        ("conditioning", "benchmark_states: [GREEN, ORANGE]", "benchmark_states: [GREEN, ORANGE, RED]",
         "RED must not be asked for BENCHMARK"),
        ("conditioning", "all_out_states: [GREEN, ORANGE]", "all_out_states: [GREEN, ORANGE, RED]",
         "RED must not be asked for ALL_OUT"),
    ),
    "safety: no plan without a check-in": (
        ("readiness", "  knee_pain: {worse: HIGHER, lower: 4, upper: 6}", "", "signal 'knee_pain' is not graded"),
        ("readiness", "  energy: {worse: LOWER, lower: 3, upper: 5}", "", "signal 'energy' is not graded"),
        ("readiness", "lower: 4, upper: 6}", "lower: 0, upper: 6}", "1 <= lower < upper <= 10"),
        ("readiness", "lower: 3, upper: 5}", "lower: 3, upper: 11}", "1 <= lower < upper <= 10"),
        ("readiness", "signals:\n", "signals:\n  sleep: {worse: LOWER, lower: 3, upper: 5}\n",
         "unknown signal 'sleep'"),
        ("readiness", "  ORANGE: PERFORMANCE\n", "", "state ORANGE leads to no archetype"),
    ),
    "safety: watts need a benchmark and stay below 1.30 of it": (
        ("conditioning", _HIIT_8, _HIIT_8.replace("1.2}", "1.31}"), "at most 1.30"),
        ("conditioning", _HIIT_8, _HIIT_8.replace("1.2}", "12}"), "at most 1.30"),
        ("conditioning", _HIIT_8, _HIIT_8.replace("1.2}", "0}"), "above 0"),
        ("conditioning", _TRIAL, "{rounds: 1, work_seconds: 300, effort: CONVERSATIONAL}", "measures one"),
        ("conditioning", f"{_TRIAL}\n      - ", "", "measures one"),
    ),
    "safety: what is left when all else is turned down is easy": (
        ("conditioning", "  RED: [SS]", "  RED: [SS, HIIT]", "RED must not train HIIT"),
        ("conditioning", "  RED: [SS]", "  RED: [SIT]", "RED must not train SIT"),
        ("conditioning", "  RED: [SS]", "  RED: []", "state RED trains no protocol"),
        ("conditioning", _STEADY, _STEADY.replace("CONVERSATIONAL, text: zone 2", "ALL_OUT"),
         "SS must be conversational"),
    ),
}  # fmt: skip

_LAYOFF = "  - {after_days: 29, levels_down: 2}\n"
EVIDENCE_FAULTS: Mapping[str, tuple[Fault, ...]] = {
    "contradiction": (
        ("conditioning", _LAYOFF, "  - {after_days: 15, levels_down: 2}\n", "after_days must rise"),
        ("conditioning", _LAYOFF, "  - {after_days: 29, levels_down: 1}\n", "levels_down must rise"),
        ("conditioning", _LAYOFF, "  - {after_days: 29, retest: true}\n", "nothing comes after a step with retest"),
        ("conditioning", _LAYOFF, "  - {after_days: 29}\n", "exactly one of levels_down, retest"),
        ("conditioning", _LAYOFF, "  - {after_days: 0, levels_down: 2}\n", "must be at least 1"),
        ("conditioning", _LAYOFF, "  - {after_days: 29, levels_down: 9}\n", "the highest ladder has 7 levels"),
        ("conditioning", "stale_after_days: 56", "stale_after_days: 0", "must be at least 1"),
        ("conditioning", "hard_sessions_per_week: 3", "hard_sessions_per_week: 0", "must be at least 1"),
        ("conditioning", "sit_sessions_per_week: 2", "sit_sessions_per_week: 4", "SIT is hard too"),
        ("conditioning", "  hard_sessions_per_week: 3\n  sit_sessions_per_week: 2\n  sit_on_consecutive_days: false",
         "  sit_on_consecutive_days: true", "these limits allow everything"),
    ),
    "safety: a worse day is never harder": (
        ("conditioning", "benchmark_states: [GREEN]", "benchmark_states: [ORANGE]", "GREEN may be too"),
        ("conditioning", "  ORANGE: [HIIT]", "  ORANGE: [SIT]", "ORANGE would train SIT"),
    ),
}  # fmt: skip


def faults_of_meaning() -> Iterator[Mutant]:
    """All of them, at the line of what replaces or follows it where there is one."""
    for ruleset, by_kind in (("classic", FAULTS), ("evidence", EVIDENCE_FAULTS)):
        for kind, faults in by_kind.items():
            for service, old, new, says in faults:
                text = shipped_text(ruleset, service)
                assert text.count(old) >= 1, (kind, old)
                yield Mutant(kind, ruleset, service, text.replace(old, new, 1), 0, says)

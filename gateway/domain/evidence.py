"""Decides what logged sets prove. Pure: a function of the plan, the sets, and the rules."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from gateway.domain.plan import Conditioning, Effort, Plan, PlannedExercise, TrackingUnit
from gateway.domain.sets import LoggedSet, StoredSet, rounded_count
from gateway.rules import EvidenceRules, PlausibleWatts


class Grade(StrEnum):
    """How much of the planned work the sets prove."""

    VERIFIED = "VERIFIED"
    PARTIAL = "PARTIAL"
    MISSING = "MISSING"


@dataclass(frozen=True)
class Evidence:
    """What the sets prove about one planned exercise. `average_watts` is the result of a verified time trial."""

    exercise_name: str
    slot: str
    grade: Grade
    sentence: str
    average_watts: int | None = None


def grade(plan: Plan, sets: Iterable[StoredSet], rules: EvidenceRules) -> tuple[Evidence, ...]:
    """The evidence for every planned exercise but checklists, which are never logged.

    Warm-ups and sets that were deleted never count.
    """
    working = [stored for stored in sets if not (stored.logged.is_warmup or stored.logged.is_deleted)]
    return tuple(
        _grade_one(planned, _sets_of(planned, working), rules)
        for planned in plan.exercises
        if planned.exercise.tracking_unit is not TrackingUnit.CHECKLIST
    )


def _sets_of(planned: PlannedExercise, sets: Sequence[StoredSet]) -> list[LoggedSet]:
    return [s.logged for s in sets if (s.slot, s.logged.exercise_name) == (planned.slot, planned.exercise.name)]


def _grade_one(planned: PlannedExercise, sets: Sequence[LoggedSet], rules: EvidenceRules) -> Evidence:
    work = planned.conditioning
    if work is None:
        return _strength(planned, sets, rules.working_sets)
    if work.effort is Effort.BENCHMARK:
        return _time_trial(planned, sets, rules.benchmark_watts)
    needed = 1 if work.effort is Effort.CONVERSATIONAL else math.ceil(work.rounds * rules.interval_rounds)
    return _rounds(planned, work, sets, needed)


def _strength(planned: PlannedExercise, sets: Sequence[LoggedSet], needed: int) -> Evidence:
    done = sum((logged.reps or 0) > 0 or (logged.seconds or 0) > 0 for logged in sets)
    return _counted(planned, done, needed, "working set")


def _rounds(planned: PlannedExercise, work: Conditioning, sets: Sequence[LoggedSet], needed: int) -> Evidence:
    done = len({logged.set_index for logged in sets if logged.set_index < work.rounds})
    return _counted(planned, done, needed, "round")


def _counted(planned: PlannedExercise, done: int, needed: int, noun: str) -> Evidence:
    short = Grade.PARTIAL if done else Grade.MISSING
    found = Grade.VERIFIED if done >= needed else short
    unit = noun if needed == 1 else f"{noun}s"
    sentence = f"{planned.exercise.name}: {min(done, needed)} of {needed} {unit} logged."
    return Evidence(planned.exercise.name, planned.slot, found, sentence)


def _time_trial(planned: PlannedExercise, sets: Sequence[LoggedSet], plausible: PlausibleWatts) -> Evidence:
    name, slot = planned.exercise.name, planned.slot
    if not sets:
        return Evidence(name, slot, Grade.MISSING, f"{name}: the time trial is not logged.")
    trial = min(sets, key=lambda logged: logged.set_index)
    watts = (trial.metadata or {}).get("avg_watts")
    if isinstance(watts, bool) or not isinstance(watts, int | float):
        return Evidence(name, slot, Grade.PARTIAL, f"{name}: the time trial is logged without its average watts.")
    if not plausible.lowest <= watts <= plausible.highest:
        bounds = f"{plausible.lowest} to {plausible.highest} W"
        return Evidence(name, slot, Grade.PARTIAL, f"{name}: average watts must be plausible, {bounds}.")
    average = rounded_count(watts)
    return Evidence(name, slot, Grade.VERIFIED, f"{name}: the time trial is logged with {average} W.", average)

"""What rules decide, over a grid of inputs that touches every bound of the shipped ones: outcomes, without their trace.

If two sets of rules differ in anything that an athlete could notice, they differ in something here. Outcomes come one
after the other, so that who compares may stop at the first that differs.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import product
from typing import Any
from uuid import UUID

from conditioning_svc.convert import profile as profile_message
from conditioning_svc.domain import Benchmark, Done, Failed, Prescription, Profile, Standing, looks_back_to, prescribe
from conditioning_svc.rules import ConditioningRules, Protocol, StateName
from debt_svc.domain import Ledger, Training, rank
from debt_svc.rules import DebtRules
from gateway.domain.composition import compose
from gateway.domain.evidence import grade
from gateway.domain.inputs import Inputs
from gateway.domain.plan import Plan, PlannedExercise
from gateway.domain.session import Windows
from gateway.domain.sets import LoggedSet, StoredSet
from gateway.rules import SessionRules
from readiness_svc.domain import evaluate
from readiness_svc.rules import ReadinessRules
from tests.rulesets.engine import Rules, shipped

NOW = datetime(2026, 3, 2, 18, 0, tzinfo=UTC)
PATTERNS = ("SQUAT", "PUSH", "HINGE", "PULL")
# A good day, a middling one, and a bad one, by every shipped ruleset.
DAYS = ((0, 10), (4, 10), (8, 10))


def outcomes(rules: Any) -> Iterator[object]:
    """Everything that these rules decide over their grid."""
    yield rules.ruleset
    match rules:
        case ReadinessRules():
            yield from _readiness(rules)
        case DebtRules():
            yield from _debt(rules)
        case ConditioningRules():
            yield from _conditioning(rules)
        case SessionRules():
            yield from _session(rules)


def differ(one: Iterable[object], other: Iterable[object]) -> bool:
    """Whether two rows of outcomes differ; they need not be made to their ends to say so."""
    end = object()
    left, right = iter(one), iter(other)
    while True:
        mine, yours = next(left, end), next(right, end)
        if mine != yours:
            return True
        if mine is end:
            return False


def ago(**span: float) -> datetime:
    return NOW - timedelta(**span)


def due(anchor: str, *, core: str = "", push: str = "", pull: str = "") -> Ledger:
    """The ledger of an athlete for whom these slots of the shipped rotations are the most due."""
    rotations = [
        (anchor, PATTERNS),
        (core, ("CORE:TRANSVERSE", "CORE:SAGITTAL", "CORE:FRONTAL")),
        (push, ("PUSH:ACCESSORY_VERTICAL", "PUSH:ACCESSORY_HORIZONTAL")),
        (pull, ("PULL:ACCESSORY_VERTICAL", "PULL:ACCESSORY_HORIZONTAL")),
    ]
    trained = {
        slot: Training(number, ago(days=10 - number))
        for first, slots in rotations
        for number, slot in enumerate(slots, 2)
        if slot != first
    }
    return Ledger(8, trained)


def conditioned(
    hiit: int = 1,
    sit: int = 1,
    *,
    watts: int | None = None,
    measured: datetime | None = None,
    done: tuple[datetime | None, datetime | None] = (None, None),
    recent: tuple[Done, ...] = (),
) -> Profile:
    """What is known of an athlete at these levels; `watts` is the HIIT benchmark, of yesterday if not said."""
    standings = {Protocol.HIIT: Standing(hiit, 0, done[0]), Protocol.SIT: Standing(sit, 0, done[1])}
    benchmark = Benchmark(watts or 0, measured or ago(days=1), UUID(int=9))
    return Profile(standings, {} if watts is None else {(Protocol.HIIT, "Assault Bike"): benchmark}, recent)


def profiles() -> Iterator[Profile]:
    """Every level, with and without a number; every age of work and of benchmarks; every fullness of a week."""
    levels = range(1, 8)
    for hiit, sit in product(levels, levels):
        for watts in (None, 217):
            yield conditioned(hiit, sit, watts=watts)
    for days, (hiit, sit) in product(range(71), ((1, 2), (3, 4), (4, 3), (7, 7))):
        yield conditioned(hiit, sit, watts=217, measured=ago(days=days), done=(ago(days=2), ago(days=1)))
        yield conditioned(hiit, sit, watts=217, done=(ago(days=days), ago(days=days, hours=1)))
        yield conditioned(hiit, sit, watts=217, measured=ago(days=30), done=(ago(days=days), None))
    for times, (hiit, sit) in product(range(7), ((2, 3), (5, 6), (6, 5))):
        failures = [
            Failed(protocol, level, 0, ago(hours=number + 1))
            for protocol, level in ((Protocol.HIIT, hiit), (Protocol.SIT, sit))
            for number in range(times)
        ]
        yield replace(conditioned(hiit, sit, watts=217), failures=tuple(failures))
    for hard, sprints, recently, (hiit, sit) in product(
        range(5), range(4), (0.5, 1, 2, 3, 6.9, 7), ((2, 2), (3, 2), (2, 3))
    ):
        work = [Done(Protocol.HIIT, ago(days=recently + 0.01))] * hard + [
            Done(Protocol.SIT, ago(days=recently))
        ] * sprints
        yield conditioned(hiit, sit, watts=217, recent=tuple(work))


def _readiness(rules: ReadinessRules) -> Iterator[object]:
    for knee_pain, energy in product(range(11), range(11)):
        verdict = evaluate({"knee_pain": knee_pain, "energy": energy}, rules)
        yield verdict.state, verdict.archetype


def _debt(rules: DebtRules) -> Iterator[object]:
    slots = rules.slots
    ledgers = [Ledger(), due("SQUAT"), Ledger(9, {slot: Training(5, ago(days=3)) for slot in slots})]
    # Done long ago and often missed are not the same: by sessions the one is due, by time the other.
    ledgers += [
        Ledger(9, {one: Training(8, ago(days=9)), other: Training(2, ago(days=1))})
        for one, other in product(slots, slots)
        if one != other
    ]
    ledgers += [Ledger(3, {slot: Training(3, ago(hours=hours)) for slot in slots}) for hours in range(121)]
    for ledger in ledgers:
        for rotation in rank(ledger, rules, NOW):
            yield rotation.name, rotation.slots


def _conditioning(rules: ConditioningRules) -> Iterator[object]:
    yield tuple(rules.protocols), looks_back_to(rules, NOW)
    for known in profiles():
        for state in StateName:
            yield _without_trace(prescribe(known, state, rules, NOW))
    levels = profile_message(None, Profile(), rules, NOW).levels
    yield [(level.top_level, level.is_progressive) for level in levels]


def _without_trace(work: Prescription) -> Prescription:
    return replace(work, decisions=())


def _session(rules: SessionRules) -> Iterator[object]:
    yield rules.exercises  # the catalog, as athletes see it and log by it
    yield Windows.of(rules.evidence)
    for inputs in _inputs():
        plan = compose(inputs, rules)
        yield plan.archetype, plan.anchor_pattern, plan.blocks
        yield from _graded(plan, rules)


@cache
def _inputs() -> tuple[Inputs, ...]:
    """Days of all states for every turn of every rotation, and for every kind of conditioning."""
    around = Rules.of(shipped("classic"))
    anchors = [due(pattern, core=core) for pattern, core in product(PATTERNS, ("CORE:TRANSVERSE", "CORE:SAGITTAL"))]
    turns = [
        due("SQUAT", core="CORE:FRONTAL", push=f"PUSH:ACCESSORY_{push}", pull=f"PULL:ACCESSORY_{pull}")
        for push, pull in product(("VERTICAL", "HORIZONTAL"), repeat=2)
    ]
    works = [conditioned(), conditioned(4, 5, watts=217)]
    days = [around.evaluate(*day) for day in DAYS]
    return tuple(
        around.inputs(day, around.rank(ledger, NOW), around.prescribe(works[number % 2], NOW), NOW)
        for number, ledger in enumerate([*anchors, *turns])
        for day in days
    )


def _graded(plan: Plan, rules: SessionRules) -> Iterator[object]:
    """What one, two or three sets prove, and so many rounds, and watts on the bounds of what is plausible."""
    strength = [one for one in plan.exercises if one.conditioning is None]
    for count in range(4):
        yield [item.grade for item in grade(plan, _sets(strength, count, 5), rules.evidence)]
    (work,) = (one for one in plan.exercises if one.conditioning is not None)
    for rounds in range(11):
        yield [item.grade for item in grade(plan, _sets([work], rounds, 100), rules.evidence)]
    for watts in (39, 40, 41, 699, 700, 701):
        yield [item.average_watts for item in grade(plan, _sets([work], 1, watts), rules.evidence)]


def _sets(planned: Iterable[PlannedExercise], count: int, number: int) -> list[StoredSet]:
    return [
        StoredSet(LoggedSet(one.exercise.name, index, reps=number, metadata={"avg_watts": number}), one.slot, NOW)
        for one in planned
        for index in range(count)
    ]

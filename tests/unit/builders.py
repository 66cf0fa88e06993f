"""Whole inputs from the shipped rules of all services, as the gateway would hear them over the wire."""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from itertools import count
from uuid import UUID

import msgspec

import conditioning_svc.convert
import conditioning_svc.domain
import debt_svc.convert
import debt_svc.domain
import readiness_svc.convert
import readiness_svc.domain
from conditioning_svc.rules import ConditioningRules
from conditioning_svc.rules import Protocol as LadderName
from debt_svc.rules import DebtRules
from gateway.convert import internal
from gateway.domain.composition import compose
from gateway.domain.inputs import ConditioningProfile, Inputs, Ledger
from gateway.domain.plan import BlockType, Plan, PlannedExercise, Ruleset, State
from gateway.domain.session import Session, Status
from gateway.domain.sets import LoggedSet, MetadataValue, StoredSet
from gateway.rules import SessionRules
from readiness_svc.rules import ReadinessRules
from shared import rules_loader

READINESS = rules_loader.load(files("readiness_svc") / "rules.yaml", ReadinessRules)
DEBT = rules_loader.load(files("debt_svc") / "rules.yaml", DebtRules)
CONDITIONING = rules_loader.load(files("conditioning_svc") / "rules.yaml", ConditioningRules)
SESSION = rules_loader.load(files("gateway") / "rules.yaml", SessionRules)

NOW = datetime(2026, 3, 2, 18, 0, tzinfo=UTC)
ATHLETE = UUID(int=1)
BIKE = CONDITIONING.rules.equipment
PATTERNS = ("SQUAT", "PUSH", "HINGE", "PULL")
CHECK_INS: Mapping[State, Mapping[str, int]] = {
    State.GREEN: {"knee_pain": 0, "energy": 10},
    State.ORANGE: {"knee_pain": 4, "energy": 10},
    State.RED: {"knee_pain": 6, "energy": 10},
}


def days_ago(days: float) -> datetime:
    return NOW - timedelta(days=days)


def training_event(number: int, slots: Iterable[str], completed_time: datetime) -> debt_svc.domain.TrainingEvent:
    return debt_svc.domain.TrainingEvent(
        UUID(int=number), ATHLETE, UUID(int=number), number, tuple(slots), completed_time
    )


def history(*sessions: Iterable[str]) -> debt_svc.domain.Ledger:
    """The ledger of an athlete who trained these slots, a session a day, the last one yesterday."""
    length = len(sessions)
    return debt_svc.domain.replay(
        training_event(number, slots, days_ago(length - number + 1)) for number, slots in enumerate(sessions, 1)
    )


def due(anchor: str, *later: Iterable[str]) -> debt_svc.domain.Ledger:
    """The ledger of an athlete whose anchor pattern is `anchor`; `later` are sessions after the main ones."""
    others = [[pattern] for pattern in PATTERNS if pattern != anchor]
    return history([anchor], *others, *later)


def profile(
    hiit: int = 1,
    sit: int = 1,
    *,
    watts: int | None = None,
    hiit_done: datetime | None = None,
    sit_done: datetime | None = None,
) -> conditioning_svc.domain.Profile:
    """What is known of an athlete at these levels; `watts` is the HIIT benchmark on the bike."""
    measured = {} if watts is None else {(LadderName.HIIT, BIKE): benchmark(watts)}
    return conditioning_svc.domain.Profile(
        {
            LadderName.HIIT: conditioning_svc.domain.Standing(hiit, 0, hiit_done),
            LadderName.SIT: conditioning_svc.domain.Standing(sit, 0, sit_done),
        },
        measured,
    )


def benchmark(watts: int) -> conditioning_svc.domain.Benchmark:
    return conditioning_svc.domain.Benchmark(watts, days_ago(30), UUID(int=30))


def heard_ledger(ledger: debt_svc.domain.Ledger, now: datetime = NOW) -> Ledger:
    """A ledger as the gateway hears of it."""
    message = debt_svc.convert.ledger(ATHLETE, ledger, debt_svc.domain.rank(ledger, DEBT.rules, now))
    return internal.ledger(message, Ruleset("debt", DEBT.rules.ruleset, DEBT.content_hash))


def heard_profile(known: conditioning_svc.domain.Profile) -> ConditioningProfile:
    """A conditioning profile as the gateway hears of it."""
    message = conditioning_svc.convert.profile(ATHLETE, known, CONDITIONING.rules, NOW)
    return internal.profile(message, Ruleset("conditioning", CONDITIONING.rules.ruleset, CONDITIONING.content_hash))


def inputs(
    state: State = State.GREEN,
    ledger: debt_svc.domain.Ledger | None = None,
    known: conditioning_svc.domain.Profile | None = None,
    *,
    check_in: Mapping[str, int] | None = None,
) -> Inputs:
    """Everything that a plan depends on. Without arguments: a new athlete on a good day."""
    answers = check_in or CHECK_INS[state]
    verdict = readiness_svc.convert.verdict(readiness_svc.domain.evaluate(answers, READINESS.rules))
    return Inputs(
        check_in=answers,
        readiness=internal.readiness(verdict, Ruleset("readiness", READINESS.rules.ruleset, READINESS.content_hash)),
        ledger=heard_ledger(ledger or debt_svc.domain.Ledger()),
        profile=heard_profile(known or conditioning_svc.domain.Profile()),
        ruleset=Ruleset("session", SESSION.rules.ruleset, SESSION.content_hash),
        planned_time=NOW,
    )


def plan(
    state: State = State.GREEN,
    ledger: debt_svc.domain.Ledger | None = None,
    known: conditioning_svc.domain.Profile | None = None,
    *,
    rules: SessionRules = SESSION.rules,
) -> Plan:
    """The plan for these inputs."""
    return compose(inputs(state, ledger, known), rules)


def names(planned: Plan, block_type: BlockType) -> list[str]:
    """The exercises of one block; none if it was left out."""
    return [one.exercise.name for block in planned.blocks if block.type is block_type for one in block.exercises]


def slots(planned: Plan) -> list[str]:
    return [one.slot for one in planned.exercises]


def started(given: Inputs, rules: SessionRules = SESSION.rules) -> Session:
    """A session that was just started."""
    return Session(ATHLETE, UUID(int=7), Status.IN_PROGRESS, given, compose(given, rules), given.planned_time)


def stored(
    planned: PlannedExercise,
    index: int = 0,
    *,
    reps: int | None = None,
    seconds: int | None = None,
    is_warmup: bool = False,
    metadata: Mapping[str, MetadataValue] | None = None,
    slot: str | None = None,
) -> StoredSet:
    """A set of a planned exercise, as it is kept."""
    name = planned.exercise.name
    logged = LoggedSet(name, index, reps=reps, seconds=seconds, is_warmup=is_warmup, metadata=metadata or {})
    return StoredSet(logged, planned.slot if slot is None else slot, NOW)


def everything_done(planned: Plan) -> list[StoredSet]:
    """One set of every exercise, and every round of conditioning with its watts."""
    done = []
    for one in planned.exercises:
        rounds = 1 if one.conditioning is None else one.conditioning.rounds
        done += [stored(one, index, reps=5, metadata={"avg_watts": 250}) for index in range(rounds)]
    return done


def ids() -> Callable[[], UUID]:
    """Gives ids that are never the same, in an order that tests can foresee."""
    numbers = count(1000)
    return lambda: UUID(int=next(numbers))


def digest() -> str:
    """A fingerprint of many plans, for comparison between processes."""
    hashed = hashlib.sha256()
    for state in State:
        for anchor in PATTERNS:
            for known in (profile(), profile(3, 2, watts=213), profile(7, 7, watts=180, hiit_done=days_ago(2))):
                hashed.update(msgspec.json.encode(plan(state, due(anchor, ["CORE:TRANSVERSE"]), known)))
    return hashed.hexdigest()

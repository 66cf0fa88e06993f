"""Decides what a completed session moves, and what sets that come late still add to it. Pure."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from gateway.domain.evidence import Evidence, Grade, grade
from gateway.domain.plan import CONDITIONING_SLOT, MAIN_SUFFIX, Conditioning, Effort, Plan
from gateway.domain.session import (
    BenchmarkMeasured,
    Completion,
    Effect,
    EffectKind,
    Event,
    LevelCompleted,
    LevelFailed,
    Payload,
    Session,
    TrainingRecorded,
    Verdict,
)
from gateway.domain.sets import StoredSet
from gateway.rules import EvidenceRules


def settle(
    session: Session,
    sets: Iterable[StoredSet],
    rules: EvidenceRules,
    *,
    session_number: int,
    completed_time: datetime,
    new_id: Callable[[], UUID],
) -> tuple[Completion, tuple[Event, ...]]:
    """Grades the sets of a session and decides what it moves. The session counts whatever its sets prove."""
    evidence = grade(session.plan, sets, rules)
    debts, training = _pay_debts(session, evidence, session_number, completed_time)
    climbs = _climb(session.plan, evidence, completed_time)
    events: list[Event] = []

    def carried_by(payload: Payload) -> UUID:
        events.append(Event(new_id(), session.athlete_id, session.session_id, payload))
        return events[-1].event_id

    training_id = carried_by(training)
    effects = [_grant(effect, training_id) for effect in debts]
    effects += [_grant(effect, carried_by(payload) if payload else None) for effect, payload in climbs]
    for failed in _failures(session.plan, evidence, completed_time):
        carried_by(failed)
    return Completion(session_number, evidence, tuple(effects)), tuple(events)


def settle_late(
    session: Session, sets: Iterable[StoredSet], rules: EvidenceRules, *, new_id: Callable[[], UUID]
) -> tuple[Completion, tuple[Event, ...]]:
    """Settles a completed session once more, after sets came late.

    Nothing is ever taken back: the only change is that work that was missing is there, and what was withheld for it
    is granted. Answers the completion as it stands now and the events of what is newly granted, or newly tried.
    """
    completion, completed_time = session.completion, session.completed_time
    if completion is None or completed_time is None:
        raise ValueError("only a completed session can be settled late")
    number = completion.session_number
    fresh, events = settle(session, sets, rules, session_number=number, completed_time=completed_time, new_id=new_id)
    pairs = list(zip(completion.effects, fresh.effects, strict=True))
    granted = [new for old, new in pairs if old.verdict is Verdict.WITHHELD and new.verdict is Verdict.GRANTED]
    evidence = list(zip(completion.evidence, fresh.evidence, strict=True))
    tried = any(old.slot == CONDITIONING_SLOT and old.grade is Grade.MISSING for old, _ in evidence)
    carriers = {effect.event_id for effect in granted}
    news = [e for e in events if e.event_id in carriers or (tried and isinstance(e.payload, LevelFailed))]
    return (
        Completion(
            completion.session_number,
            tuple(old if old.grade is Grade.VERIFIED else new for old, new in evidence),
            tuple(new if new in granted else old for old, new in pairs),
        ),
        tuple(_only(granted, event) for event in news),
    )


def _only(granted: Sequence[Effect], event: Event) -> Event:
    """The event without the slots that were paid before."""
    if not isinstance(event.payload, TrainingRecorded):
        return event
    slots = tuple(effect.subject for effect in granted if effect.event_id == event.event_id)
    return replace(event, payload=replace(event.payload, slots=slots))


def _grant(effect: Effect, event_id: UUID | None) -> Effect:
    carrier = event_id if effect.verdict is Verdict.GRANTED else None
    return Effect(effect.kind, effect.subject, effect.verdict, effect.sentence, carrier)


def _pay_debts(
    session: Session, evidence: Sequence[Evidence], session_number: int, completed_time: datetime
) -> tuple[list[Effect], TrainingRecorded]:
    turns = session.inputs.ledger.slots
    effects = []
    for slot in dict.fromkeys(item.slot for item in evidence):
        subject = slot.removesuffix(MAIN_SUFFIX)
        if subject not in turns:
            continue
        items = [item for item in evidence if item.slot == slot]
        verified = all(item.grade is Grade.VERIFIED for item in items)
        verdict = Verdict.GRANTED if verified else Verdict.WITHHELD
        effects.append(Effect(EffectKind.SLOT_DEBT, subject, verdict, _because(items, verified=verified)))
    paid = tuple(effect.subject for effect in effects if effect.verdict is Verdict.GRANTED)
    return effects, TrainingRecorded(session_number, paid, completed_time, session.plan.rules_of("debt"))


def _climb(plan: Plan, evidence: Sequence[Evidence], completed_time: datetime) -> list[tuple[Effect, Payload | None]]:
    graded = {item.slot: item for item in evidence}
    rules = plan.rules_of("conditioning")
    climbs: list[tuple[Effect, Payload | None]] = []
    for work in (planned.conditioning for planned in plan.exercises if planned.conditioning is not None):
        item = graded[CONDITIONING_SLOT]
        climbs.append(_climb_level(work, item, completed_time, rules))
        if work.effort is Effort.BENCHMARK:
            trial = None
            if item.average_watts is not None:
                trial = BenchmarkMeasured(work.protocol, work.equipment, item.average_watts, completed_time, rules)
            verdict = Verdict.GRANTED if trial else Verdict.WITHHELD
            climbs.append((Effect(EffectKind.BENCHMARK, work.protocol, verdict, item.sentence), trial))
    return climbs


def _climb_level(
    work: Conditioning, item: Evidence, completed_time: datetime, rules: str
) -> tuple[Effect, LevelCompleted | None]:
    kind, subject = EffectKind.CONDITIONING_LEVEL, work.protocol
    if not work.is_progressive:
        sentence = f"{work.protocol} has no levels to climb."
        return Effect(kind, subject, Verdict.NOT_APPLICABLE, sentence), None
    if item.grade is not Grade.VERIFIED:
        return Effect(kind, subject, Verdict.WITHHELD, item.sentence), None
    done = LevelCompleted(work.protocol, work.level, work.epoch, completed_time, rules)
    return Effect(kind, subject, Verdict.GRANTED, item.sentence), done


def _failures(plan: Plan, evidence: Sequence[Evidence], completed_time: datetime) -> list[LevelFailed]:
    """What was tried and not finished, of work that counts for a ladder. What was not tried did not fail."""
    tried = {item.slot for item in evidence if item.grade is Grade.PARTIAL}
    work = plan.conditioning
    if work is None or not work.is_progressive or CONDITIONING_SLOT not in tried:
        return []
    return [LevelFailed(work.protocol, work.level, work.epoch, completed_time, plan.rules_of("conditioning"))]


def _because(items: Sequence[Evidence], *, verified: bool) -> str:
    relevant = items if verified else [item for item in items if item.grade is not Grade.VERIFIED]
    return " ".join(item.sentence for item in relevant)

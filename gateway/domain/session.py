"""The life of a session, and what completing it moves."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from gateway.domain.evidence import Evidence, Grade, grade
from gateway.domain.inputs import Inputs
from gateway.domain.plan import CONDITIONING_SLOT, MAIN_SUFFIX, Archetype, Conditioning, Effort, Plan, Protocol, State
from gateway.domain.sets import StoredSet
from gateway.rules import EvidenceRules
from shared.errors import Code, FluxError


class SessionNotFound(FluxError):
    """The athlete has no such session."""

    code = Code.NOT_FOUND
    reason = "SESSION_NOT_FOUND"

    def __init__(self) -> None:
        super().__init__("you have no session with this id; start one first")


class SessionIdReused(FluxError):
    """The id stands for another session."""

    code = Code.ALREADY_EXISTS
    reason = "SESSION_ID_REUSED"


class SessionClosed(FluxError):
    """The session can no longer be changed."""

    code = Code.FAILED_PRECONDITION
    reason = "SESSION_CLOSED"


class SessionCompleted(FluxError):
    """The session is finished, so it cannot be given up."""

    code = Code.FAILED_PRECONDITION
    reason = "SESSION_COMPLETED"


class Status(StrEnum):
    """Where a session stands. COMPLETED never reopens; ABANDONED may still be completed."""

    IN_PROGRESS = "IN_PROGRESS"
    COMPLETED = "COMPLETED"
    ABANDONED = "ABANDONED"


class EffectKind(StrEnum):
    """What a completion can move."""

    SLOT_DEBT = "SLOT_DEBT"
    CONDITIONING_LEVEL = "CONDITIONING_LEVEL"
    BENCHMARK = "BENCHMARK"


class Verdict(StrEnum):
    """Whether it moves."""

    GRANTED = "GRANTED"
    WITHHELD = "WITHHELD"
    NOT_APPLICABLE = "NOT_APPLICABLE"


class Delivery(StrEnum):
    """How far an event has come."""

    PENDING = "PENDING"
    APPLIED = "APPLIED"
    DEAD = "DEAD"


@dataclass(frozen=True)
class CheckInRecorded:
    """The check-in of a started session, for readiness to keep."""

    check_in: Mapping[str, int]
    state: State
    check_in_time: datetime


@dataclass(frozen=True)
class TrainingRecorded:
    """A completed session and the slots that it paid, for the ledger."""

    session_number: int
    slots: tuple[str, ...]
    completed_time: datetime
    rules: str = ""
    """Content hash of the debt rules that the session was planned by."""


@dataclass(frozen=True)
class LevelCompleted:
    """A verified level, for the ladder."""

    protocol: Protocol
    planned_level: int
    epoch: int
    completed_time: datetime
    rules: str = ""
    """Content hash of the conditioning rules that the session was planned by."""


@dataclass(frozen=True)
class BenchmarkMeasured:
    """A verified time trial, in watts."""

    protocol: Protocol
    equipment: str
    average_watts: int
    completed_time: datetime
    rules: str = ""
    """Content hash of the conditioning rules that the session was planned by."""


type Payload = CheckInRecorded | TrainingRecorded | LevelCompleted | BenchmarkMeasured


@dataclass(frozen=True)
class Event:
    """Something that another service must hear of, exactly once to effect."""

    event_id: UUID
    athlete_id: UUID
    session_id: UUID
    payload: Payload


@dataclass(frozen=True)
class Effect:
    """What a completion did to one thing that it can move. A granted effect is carried by an event."""

    kind: EffectKind
    subject: str
    verdict: Verdict
    sentence: str
    event_id: UUID | None = None


@dataclass(frozen=True)
class Completion:
    """The stored result of completing a session."""

    session_number: int
    evidence: tuple[Evidence, ...]
    effects: tuple[Effect, ...]


@dataclass(frozen=True)
class Windows:
    """How long a session may still be changed: after its completion, and if abandoned after its start."""

    correction: timedelta
    late: timedelta

    @classmethod
    def of(cls, rules: EvidenceRules) -> "Windows":
        """The windows that the rules give."""
        return cls(timedelta(hours=rules.correction_hours), timedelta(days=rules.late_completion_days))

    def closed(self, *, completed: bool) -> SessionClosed:
        """What an athlete is told who comes too late."""
        window = self.correction if completed else self.late
        hours = window // timedelta(hours=1)
        what = "completed" if completed else "abandoned, and was started"
        ago = f"{window.days} days" if window >= timedelta(days=2) else f"{hours} hours"
        message = f"the session was {what} more than {ago} ago; it can no longer be changed"
        return SessionClosed(message, window_hours=str(hours))


@dataclass(frozen=True)
class Notes:
    """What the athlete wrote, on single exercises and on the whole session."""

    by_exercise: Mapping[str, str] = field(default_factory=dict)
    summary: str | None = None


@dataclass(frozen=True)
class Session:
    """One training session. `inputs` and `plan` never change."""

    athlete_id: UUID
    session_id: UUID
    status: Status
    inputs: Inputs
    plan: Plan
    started_time: datetime
    completed_time: datetime | None = None
    completion: Completion | None = None
    notes: Notes = field(default_factory=Notes)


@dataclass(frozen=True)
class SessionView:
    """A session with everything that is known of it."""

    session: Session
    sets: tuple[StoredSet, ...]
    deliveries: Mapping[UUID, Delivery]


@dataclass(frozen=True)
class SessionSummary:
    """A session in a list."""

    session_id: UUID
    status: Status
    state: State
    archetype: Archetype
    anchor_pattern: str
    started_time: datetime
    completed_time: datetime | None


@dataclass(frozen=True)
class Page:
    """Sessions, newest first, and the token of the next page, empty on the last one."""

    sessions: tuple[SessionSummary, ...]
    next_page_token: str


def check_completable(session: Session, rules: EvidenceRules, now: datetime) -> None:
    """Returns if a session that is not completed may be completed now. Raises SessionClosed."""
    windows = Windows.of(rules)
    if session.status is Status.ABANDONED and now > session.started_time + windows.late:
        raise windows.closed(completed=False)


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
    return Completion(session_number, evidence, tuple(effects)), tuple(events)


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


def _because(items: Sequence[Evidence], *, verified: bool) -> str:
    relevant = items if verified else [item for item in items if item.grade is not Grade.VERIFIED]
    return " ".join(item.sentence for item in relevant)

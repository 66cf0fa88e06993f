"""Decides which slot is due. Pure: the same ledger, rules and moment give the same ranking."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import reduce
from uuid import UUID

from debt_svc.rules import DebtRules, Metric
from shared.decision import Decision
from shared.errors import Code, FluxError, nearest


class UnknownSlot(FluxError):
    """The slot is not one that takes turns."""

    code = Code.INVALID_ARGUMENT
    reason = "UNKNOWN_SLOT"


@dataclass(frozen=True)
class Training:
    """When a slot was last trained: in which completed session of the athlete, counted from 1, and when."""

    session_number: int
    trained_time: datetime


@dataclass(frozen=True)
class Ledger:
    """What an athlete has trained so far. The empty ledger is that of a new athlete."""

    completed_sessions: int = 0
    last_trained: Mapping[str, Training] = field(default_factory=dict)


@dataclass(frozen=True)
class TrainingEvent:
    """A completed session and the slots whose work was verified."""

    event_id: UUID
    athlete_id: UUID
    session_id: UUID
    session_number: int
    slots: tuple[str, ...]
    completed_time: datetime
    content_hash: str = ""
    """The rules that the session was planned by; empty for those that the service was shipped with."""
    created_time: datetime | None = None
    """When the event came to be, as far as it is known."""


@dataclass(frozen=True)
class RankedSlot:
    """One slot as it stands. `debt` and `last_trained_time` are None for a slot that was never trained."""

    slot: str
    debt: int | None
    last_trained_time: datetime | None
    days_since: int | None
    status_text: str


@dataclass(frozen=True)
class Rotation:
    """Slots that take turns, most due first, and why the first is first."""

    name: str
    slots: tuple[RankedSlot, ...]
    decision: Decision


def rank(ledger: Ledger, rules: DebtRules, now: datetime) -> tuple[Rotation, ...]:
    """Every rotation, most due first. Total; never raises."""
    return tuple(
        _rotation(name, [_stand(slot, ledger, rules, now) for slot in slots], rules, now)
        for name, slots in rules.rotations.items()
    )


def rule_ids(rules: DebtRules) -> dict[str, bool]:
    """The ids that decisions can have, in the order of the rules; every one of them decides."""
    return {_rule_id(rotation): True for rotation in rules.rotations}


def most_due_first(slots: Sequence[RankedSlot], metric: Metric, now: datetime) -> list[RankedSlot]:
    """Highest debt first: never trained, then most debt, then longest ago, then the order given."""

    def waiting(slot: RankedSlot) -> tuple[bool, int, timedelta]:
        if slot.last_trained_time is None or slot.debt is None:
            return True, 0, timedelta()
        sessions = slot.debt if metric is Metric.SESSIONS else 0
        return False, sessions, now - slot.last_trained_time

    return sorted(slots, key=waiting, reverse=True)  # stable: of equals the one given first stays first


def apply(ledger: Ledger, event: TrainingEvent) -> Ledger:
    """The ledger after a completed session. Commutative and idempotent: order and repetition change nothing."""
    trained = dict(ledger.last_trained)
    for slot in event.slots:
        known = trained.get(slot, Training(event.session_number, event.completed_time))
        trained[slot] = Training(
            max(known.session_number, event.session_number), max(known.trained_time, event.completed_time)
        )
    return Ledger(max(ledger.completed_sessions, event.session_number), trained)


def replay(events: Iterable[TrainingEvent]) -> Ledger:
    """The ledger that a history adds up to."""
    return reduce(apply, events, Ledger())


def check_slots(slots: Iterable[str], rules: DebtRules) -> None:
    """Returns if every slot takes turns. Raises UnknownSlot."""
    for slot in slots:
        if slot not in rules.slots:
            close = nearest(slot, rules.slots) or rules.slots
            raise UnknownSlot(
                f"slot {slot!r} takes no turns; did you mean {', '.join(close)}?", nearest=", ".join(close)
            )


def _stand(slot: str, ledger: Ledger, rules: DebtRules, now: datetime) -> RankedSlot:
    training = ledger.last_trained.get(slot)
    if training is None:
        return RankedSlot(slot, None, None, None, rules.statuses[-1].text)
    # A clock that was set back must not make a slot look untrained.
    elapsed = max(now - training.trained_time, timedelta())
    debt = ledger.completed_sessions - training.session_number
    return RankedSlot(slot, debt, training.trained_time, elapsed.days, _status(elapsed, rules))


def _status(elapsed: timedelta, rules: DebtRules) -> str:
    return next(
        status.text
        for status in rules.statuses
        if status.under_hours is None or elapsed < timedelta(hours=status.under_hours)
    )


def _rotation(name: str, slots: Sequence[RankedSlot], rules: DebtRules, now: datetime) -> Rotation:
    ranked = tuple(most_due_first(slots, rules.metric, now))
    first = ranked[0]
    reason = (
        "it was never trained"
        if first.debt is None
        else f"{_count(first.debt, 'session')} and {_count(first.days_since or 0, 'day')} have passed since"
    )
    decision = Decision(
        subject=name,
        outcome=first.slot,
        rule_id=_rule_id(name),
        inputs={slot.slot: "never" if slot.debt is None else str(slot.debt) for slot in ranked},
        threshold=f"highest debt by {rules.metric.value}, then longest ago, then the order of the rules",
        alternatives=tuple(slot.slot for slot in ranked[1:]),
        sentence=f"{first.slot} is due: {reason}.",
    )
    return Rotation(name, ranked, decision)


def _rule_id(rotation: str) -> str:
    return f"debt.rotations.{rotation}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"

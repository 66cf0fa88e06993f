"""The life of a session, and the words for what completing it moves."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from gateway.domain.evidence import Evidence, Grade
from gateway.domain.inputs import Inputs
from gateway.domain.plan import Archetype, Plan, Protocol, State
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
class LevelFailed:
    """The work of a level was tried and not finished."""

    protocol: Protocol
    planned_level: int
    epoch: int
    completed_time: datetime
    rules: str = ""
    """Content hash of the conditioning rules that the session was planned by."""


class BenchmarkSource(StrEnum):
    """Where a benchmark comes from."""

    TIME_TRIAL = "TIME_TRIAL"
    MANUAL = "MANUAL"


@dataclass(frozen=True)
class BenchmarkMeasured:
    """A verified time trial, or a number that the athlete set, in watts. `completed_time` is when it was measured."""

    protocol: Protocol
    equipment: str
    average_watts: int
    completed_time: datetime
    rules: str = ""
    """Content hash of the conditioning rules that the session was planned by, or that were in force."""
    source: BenchmarkSource = BenchmarkSource.TIME_TRIAL


@dataclass(frozen=True)
class Erased:
    """An athlete wants to be forgotten by one service, with everything that happened until then."""

    erased_time: datetime


@dataclass(frozen=True)
class CheckInsErased(Erased):
    """For readiness."""


@dataclass(frozen=True)
class LedgerErased(Erased):
    """For debt."""


@dataclass(frozen=True)
class ProfileErased(Erased):
    """For conditioning."""


type Payload = (
    CheckInRecorded
    | TrainingRecorded
    | LevelCompleted
    | LevelFailed
    | BenchmarkMeasured
    | CheckInsErased
    | LedgerErased
    | ProfileErased
)


@dataclass(frozen=True)
class Event:
    """Something that another service must hear of, exactly once to effect.

    `session_id` of a benchmark that the athlete set is the id of the benchmark.
    """

    event_id: UUID
    athlete_id: UUID
    session_id: UUID
    payload: Payload
    created_time: datetime | None = None
    """By the clock of the database; None before it is stored."""


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

    @property
    def may_still_grant(self) -> bool:
        """Whether sets that come late could change anything."""
        return any(item.grade is not Grade.VERIFIED for item in self.evidence)


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

    @property
    def may_still_grant(self) -> bool:
        """Whether it is completed, and sets that come late may earn what was withheld."""
        return self.completion is not None and self.completion.may_still_grant


@dataclass(frozen=True)
class SessionView:
    """A session with everything that is known of it."""

    session: Session
    sets: tuple[StoredSet, ...]
    deliveries: Mapping[UUID, Delivery]


@dataclass(frozen=True)
class Logged:
    """Sets as they are kept after some were logged, and the session if it was completed before."""

    sets: tuple[StoredSet, ...]
    completed: SessionView | None


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

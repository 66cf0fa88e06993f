"""What athletes asked for and what they were told: the only thing that the promises are held against."""

from collections import Counter
from dataclasses import dataclass, field
from uuid import UUID

from flux.common.v1.training_pb2 import CheckIn
from flux.session.v1.plan_pb2 import PlannedExercise
from flux.session.v1.session_pb2 import Session, WorkoutSet
from flux.session.v1.session_service_pb2 import CompleteSessionResponse

type Position = tuple[str, int]


@dataclass
class SessionHistory:
    """One session as its athlete saw it. What was `tried` may have happened; what was `told` must have."""

    session_id: UUID
    check_in: CheckIn
    trains_main: bool
    """Whether the athlete does everything but the conditioning."""
    trains_conditioning: bool
    logs_conditioning_late: bool
    """Whether the conditioning is logged only after the session was completed."""
    started: list[Session] = field(default_factory=list)
    """Every answer to a start."""
    tried: dict[Position, dict[int, WorkoutSet]] = field(default_factory=dict)
    """Every set that was sent, by position and revision."""
    told: dict[Position, int] = field(default_factory=dict)
    """The highest revision that was acknowledged."""
    completed: list[CompleteSessionResponse] = field(default_factory=list)
    """Every answer to a completion."""

    def try_sets(self, sets: list[WorkoutSet]) -> None:
        """Notes what is about to be sent."""
        for one in sets:
            self.tried.setdefault((one.exercise_name, one.set_index), {})[one.client_rev] = one

    def tell_sets(self, sets: list[WorkoutSet]) -> None:
        """Notes what was acknowledged."""
        for one in sets:
            position = (one.exercise_name, one.set_index)
            self.told[position] = max(self.told.get(position, 0), one.client_rev)

    def has_earned(self, exercise: PlannedExercise) -> bool:
        """Whether the athlete does this part of the plan."""
        return self.trains_conditioning if exercise.HasField("conditioning") else self.trains_main


@dataclass
class AthleteHistory:
    """One athlete's sessions, in the order in which they were started."""

    athlete_id: UUID
    sessions: list[SessionHistory] = field(default_factory=list)


@dataclass
class History:
    """Everything that happened in a run, as seen from outside."""

    athletes: list[AthleteHistory] = field(default_factory=list)
    answers: Counter[str] = field(default_factory=Counter)
    """How many calls ended so, by gRPC status."""
    failures: Counter[str] = field(default_factory=Counter)
    """How many calls failed so, by method, gRPC status and what was said."""

    @property
    def sessions(self) -> list[tuple[AthleteHistory, SessionHistory]]:
        """Every session with its athlete."""
        return [(athlete, session) for athlete in self.athletes for session in athlete.sessions]

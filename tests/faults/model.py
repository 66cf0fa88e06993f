"""What the public API promises about sessions, as a few lines of plain Python that know nothing of the service."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from flux.common.v1 import training_pb2
from flux.common.v1.training_pb2 import ConditioningProtocol
from flux.session.v1 import plan_pb2, session_pb2
from flux.session.v1.plan_pb2 import Conditioning, Plan, PlannedExercise
from flux.session.v1.session_pb2 import Effect, WorkoutSet

type Position = tuple[str, int]
type Verdicts = dict[tuple[int, str], int]

GRANTED = session_pb2.EFFECT_VERDICT_GRANTED
WITHHELD = session_pb2.EFFECT_VERDICT_WITHHELD
NOT_APPLICABLE = session_pb2.EFFECT_VERDICT_NOT_APPLICABLE


def position(one: WorkoutSet) -> Position:
    """What a set replaces."""
    return one.exercise_name, one.set_index


def merged(kept: WorkoutSet | None, sent: WorkoutSet) -> WorkoutSet:
    """What is kept of two sets at one position: the higher revision, of equals the greater device, else the last."""
    if kept is None:
        return sent
    both = kept.HasField("client_rev") and sent.HasField("client_rev")
    if both and (sent.client_rev, sent.device_id) < (kept.client_rev, kept.device_id):
        return kept
    winner = WorkoutSet()
    winner.CopyFrom(sent)
    if kept.HasField("client_rev") and not sent.HasField("client_rev"):
        winner.client_rev = kept.client_rev
    return winner


def shown(sets: Iterable[WorkoutSet]) -> list[tuple[object, ...]]:
    """Sets as they can be compared, without those that are deleted."""
    return sorted(
        (one.exercise_name, one.set_index, one.reps, one.client_rev, one.device_id, one.is_warmup)
        for one in sets
        if not one.is_deleted
    )


def conditioning_of(plan: Plan) -> list[Conditioning]:
    """The conditioning of a plan that has levels."""
    return [
        planned.conditioning
        for planned in exercises_of(plan)
        if planned.HasField("conditioning") and planned.conditioning.protocol != training_pb2.CONDITIONING_PROTOCOL_SS
    ]


def exercises_of(plan: Plan) -> list[PlannedExercise]:
    """Everything that a plan asks to be logged."""
    planned = [planned for block in plan.blocks for planned in block.exercises]
    return [one for one in planned if one.exercise.tracking_unit != plan_pb2.TRACKING_UNIT_CHECKLIST]


def is_done(planned: PlannedExercise, sets: Iterable[WorkoutSet]) -> bool:
    """Whether sets prove a piece of planned work, by the rules of `classic`."""
    mine = [
        one for one in sets if one.exercise_name == planned.exercise.name and not one.is_warmup and not one.is_deleted
    ]
    if not planned.HasField("conditioning"):
        return any(one.reps > 0 or one.seconds > 0 for one in mine)
    work = planned.conditioning
    if work.effort == training_pb2.EFFORT_BENCHMARK:
        trial = min(mine, key=lambda one: one.set_index, default=None)
        watts = trial.metadata["avg_watts"] if trial is not None and "avg_watts" in trial.metadata else None
        return isinstance(watts, float) and 40 <= watts <= 700
    needed = 1 if work.effort == training_pb2.EFFORT_CONVERSATIONAL else math.ceil(work.rounds)
    return len({one.set_index for one in mine if one.set_index < work.rounds}) >= needed


def verdict_of(effect: Effect, plan: Plan, sets: Iterable[WorkoutSet]) -> int:
    """What must become of one thing that a session can move."""
    known = list(sets)
    if effect.kind == session_pb2.EFFECT_KIND_SLOT_DEBT:
        asked = [one for one in exercises_of(plan) if one.slot in {effect.subject, f"{effect.subject}:MAIN"}]
    else:
        asked = [one for one in exercises_of(plan) if one.HasField("conditioning")]
        if not conditioning_of(plan):
            return NOT_APPLICABLE
    return GRANTED if all(is_done(one, known) for one in asked) else WITHHELD


def workout_set(
    name: str, index: int, *, reps: int, rev: int | None, device: str, is_warmup: bool = False, is_deleted: bool = False
) -> WorkoutSet:
    """One set, with the watts of a time trial in case it is one."""
    one = WorkoutSet(
        exercise_name=name,
        set_index=index,
        reps=reps,
        client_rev=rev,
        device_id=device,
        is_warmup=is_warmup,
        is_deleted=is_deleted,
    )
    one.metadata.update({"avg_watts": 220.0})
    return one


def everything(plan: Plan) -> list[WorkoutSet]:
    """All that a plan asks for."""
    return [
        workout_set(planned.exercise.name, index, reps=5, rev=9, device="phone")
        for planned in exercises_of(plan)
        for index in range(planned.conditioning.rounds or 1)
    ]


def name_of(protocol: ConditioningProtocol) -> str:
    """The name of a ladder, as effects call it."""
    return ConditioningProtocol.Name(protocol).removeprefix("CONDITIONING_PROTOCOL_")


@dataclass
class ModelSession:
    """One session."""

    plan: Plan
    status: int = session_pb2.SESSION_STATUS_IN_PROGRESS
    sets: dict[Position, WorkoutSet] = field(default_factory=dict)
    number: int = 0
    verdicts: Verdicts = field(default_factory=dict)

    @property
    def is_completed(self) -> bool:
        return self.status == session_pb2.SESSION_STATUS_COMPLETED

    def log(self, sent: Iterable[WorkoutSet]) -> None:
        """Keeps sets, one after the other."""
        for one in sent:
            self.sets[position(one)] = merged(self.sets.get(position(one)), one)


@dataclass
class Standing:
    """Where an athlete stands."""

    tops: Mapping[str, int]
    completed_sessions: int = 0
    levels: dict[str, int] = field(default_factory=dict)
    trained: dict[str, int] = field(default_factory=dict)

    def level(self, protocol: str) -> int:
        return self.levels.get(protocol, 1)

    def debt(self, pattern: str) -> int | None:
        number = self.trained.get(pattern)
        return None if number is None else self.completed_sessions - number

    def grant(self, session: ModelSession) -> None:
        """Takes in what a completed session has been granted so far. Again changes nothing."""
        for (kind, subject), verdict in session.verdicts.items():
            if verdict != GRANTED:
                continue
            if kind == session_pb2.EFFECT_KIND_SLOT_DEBT:
                self.trained[subject] = max(self.trained.get(subject, 0), session.number)
            elif kind == session_pb2.EFFECT_KIND_CONDITIONING_LEVEL:
                (work,) = conditioning_of(session.plan)
                reached = min(work.level + 1, self.tops[subject])
                self.levels[subject] = max(self.level(subject), reached)

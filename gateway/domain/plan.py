"""The words of a plan. Everything here is stored with a session, so fields are only ever added, with a default."""

from dataclasses import dataclass
from enum import StrEnum

from shared.decision import Decision

CONDITIONING_SLOT = "CONDITIONING"
MAIN_ROTATION = "MAIN"
MAIN_SUFFIX = ":MAIN"


class State(StrEnum):
    """Today's readiness."""

    GREEN = "GREEN"
    ORANGE = "ORANGE"
    RED = "RED"


class Archetype(StrEnum):
    """The kind of session."""

    PERFORMANCE = "PERFORMANCE"
    RECOVERY = "RECOVERY"


class BlockType(StrEnum):
    """The part that a block plays in a session."""

    PREP = "PREP"
    POWER = "POWER"
    MAIN = "MAIN"
    ACCESSORIES = "ACCESSORIES"
    ACCESSORY = "ACCESSORY"
    CONDITIONING = "CONDITIONING"


class LoadType(StrEnum):
    """How an exercise is loaded."""

    WEIGHTED = "WEIGHTED"
    BODYWEIGHT = "BODYWEIGHT"


class TrackingUnit(StrEnum):
    """What is counted when an exercise is done."""

    REPS = "REPS"
    SECS = "SECS"
    WATTS = "WATTS"
    CHECKLIST = "CHECKLIST"


class Protocol(StrEnum):
    """A family of conditioning work."""

    HIIT = "HIIT"
    SIT = "SIT"
    SS = "SS"


class Effort(StrEnum):
    """How hard conditioning is meant to be."""

    TARGET_WATTS = "TARGET_WATTS"
    ALL_OUT = "ALL_OUT"
    CONVERSATIONAL = "CONVERSATIONAL"
    BENCHMARK = "BENCHMARK"


@dataclass(frozen=True)
class Exercise:
    """An exercise of the catalog."""

    name: str
    is_unilateral: bool
    load_type: LoadType
    tracking_unit: TrackingUnit

    @property
    def exercise_id(self) -> str:
        """The name in lower case with dashes: stable as long as the name is."""
        return "-".join("".join(c if c.isalnum() else " " for c in self.name.replace("'", "").lower()).split())


@dataclass(frozen=True)
class Conditioning:
    """Conditioning work. Spans in seconds, power in watts; see `flux.session.v1.Conditioning`."""

    protocol: Protocol
    equipment: str
    level: int
    epoch: int
    rounds: int
    work_seconds: int | None
    rest_seconds: int | None
    effort: Effort
    target_watts: int | None
    is_progressive: bool
    description: str


@dataclass(frozen=True)
class PlannedExercise:
    """An exercise in a plan, and the slot that it fills."""

    exercise: Exercise
    slot: str
    conditioning: Conditioning | None = None


@dataclass(frozen=True)
class Block:
    """Exercises that are done together. Never empty."""

    type: BlockType
    label: str
    exercises: tuple[PlannedExercise, ...]


@dataclass(frozen=True)
class Ruleset:
    """The version of the rules that a service decided by."""

    service: str
    name: str
    content_hash: str


@dataclass(frozen=True)
class Plan:
    """A session as the engine plans it."""

    state: State
    archetype: Archetype
    anchor_pattern: str
    blocks: tuple[Block, ...]
    decisions: tuple[Decision, ...]
    rulesets: tuple[Ruleset, ...]
    degraded: bool = False
    """Whether it is less than it would have been, because conditioning did not answer."""

    @property
    def exercises(self) -> tuple[PlannedExercise, ...]:
        """Every planned exercise, in order. No name stands twice."""
        return tuple(planned for block in self.blocks for planned in block.exercises)

    @property
    def conditioning(self) -> Conditioning | None:
        """The conditioning work, if there is any."""
        return next((planned.conditioning for planned in self.exercises if planned.conditioning), None)

    def rules_of(self, service: str) -> str:
        """Content hash of the rules of a service that the plan was made by."""
        return next((ruleset.content_hash for ruleset in self.rulesets if ruleset.service == service), "")

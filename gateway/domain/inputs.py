"""What the other services say of an athlete today: everything that a plan depends on besides the rules."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from gateway.domain.overlay import Overlay, OverlayInForce, own_of
from gateway.domain.plan import MAIN_ROTATION, Archetype, Conditioning, Protocol, Ruleset, State
from shared.decision import Decision


@dataclass(frozen=True)
class Readiness:
    """The verdict on a check-in."""

    state: State
    archetype: Archetype
    decisions: tuple[Decision, ...]
    ruleset: Ruleset


@dataclass(frozen=True)
class RankedSlot:
    """A slot as it stands. All but the slot and its status are None for one that was never trained."""

    slot: str
    debt: int | None
    last_trained_time: datetime | None
    days_since: int | None
    status_text: str


@dataclass(frozen=True)
class Rotation:
    """Slots that take turns, most due first. Never empty."""

    slots: tuple[RankedSlot, ...]
    decision: Decision


@dataclass(frozen=True)
class SlotTraining:
    """When a slot was last trained: in which completed session, from 1, and when."""

    slot: str
    session_number: int
    trained_time: datetime


@dataclass(frozen=True)
class LedgerFacts:
    """What an athlete has trained: all that a ranking depends on besides rules and moment."""

    completed_sessions: int = 0
    slots: tuple[SlotTraining, ...] = ()


@dataclass(frozen=True)
class Ledger:
    """What is due, and the facts that it rests on."""

    completed_sessions: int
    rotations: Mapping[str, Rotation]
    ruleset: Ruleset
    facts: LedgerFacts = field(default_factory=LedgerFacts)

    @property
    def main(self) -> Rotation:
        """The main patterns."""
        return self.rotations[MAIN_ROTATION]

    @property
    def slots(self) -> frozenset[str]:
        """Every slot that takes turns."""
        return frozenset(ranked.slot for rotation in self.rotations.values() for ranked in rotation.slots)


@dataclass(frozen=True)
class ProtocolLevel:
    """The place on one ladder."""

    protocol: Protocol
    level: int
    top_level: int
    is_progressive: bool


@dataclass(frozen=True)
class Benchmark:
    """A benchmark in force, in watts."""

    protocol: Protocol
    equipment: str
    average_watts: int
    measured_time: datetime
    session_id: str = ""


@dataclass(frozen=True)
class Prescription:
    """Conditioning work and why it is this."""

    conditioning: Conditioning
    decisions: tuple[Decision, ...]


@dataclass(frozen=True)
class LevelFacts:
    """The place on one ladder, as conditioning keeps it."""

    protocol: Protocol
    level: int
    epoch: int
    last_done_time: datetime | None


@dataclass(frozen=True)
class RecentWork:
    """One verified piece of work of the last days."""

    protocol: Protocol
    done_time: datetime


@dataclass(frozen=True)
class FailedWork:
    """One attempt at the work of a level that was not finished."""

    protocol: Protocol
    planned_level: int
    epoch: int
    failed_time: datetime


@dataclass(frozen=True)
class ProfileFacts:
    """What is known of an athlete's conditioning: all that a prescription depends on besides rules and moment."""

    levels: tuple[LevelFacts, ...] = ()
    benchmarks: tuple[Benchmark, ...] = ()
    recent: tuple[RecentWork, ...] = ()
    failures: tuple[FailedWork, ...] = ()


@dataclass(frozen=True)
class ConditioningProfile:
    """Levels, benchmarks, the work for each readiness state, and the facts that it rests on."""

    levels: tuple[ProtocolLevel, ...]
    benchmarks: tuple[Benchmark, ...]
    prescriptions: Mapping[State, Prescription]
    ruleset: Ruleset
    facts: ProfileFacts = field(default_factory=ProfileFacts)
    is_known: bool = True
    """Whether conditioning was heard; if not, the work is what anybody may do."""


def without_conditioning(nobody: ConditioningProfile) -> ConditioningProfile:
    """The profile to plan by when conditioning does not answer, from that of an athlete of whom nothing is known.

    In every state it is the work of a RED day, which the rules keep conversational, and it counts for no ladder.
    """
    work = replace(nobody.prescriptions[State.RED].conditioning, is_progressive=False)
    why = Decision(
        subject="conditioning",
        outcome=work.protocol,
        rule_id=f"conditioning.by_state.{State.RED}",
        inputs={"levels": "unknown"},
        sentence=(
            f"Conditioning is {work.protocol} today: levels and benchmarks cannot be looked up at the moment, so it is "
            "what every athlete may do, and it moves no level."
        ),
    )
    prescriptions = dict.fromkeys(State, Prescription(work, (why,)))
    return replace(nobody, prescriptions=prescriptions, is_known=False)


@dataclass(frozen=True)
class Standing:
    """Where an athlete stands at a time. What does not answer at the moment is None."""

    time: datetime
    ledger: Ledger | None
    profile: ConditioningProfile | None

    @property
    def degraded(self) -> bool:
        """Whether a part is missing."""
        return self.ledger is None or self.profile is None


@dataclass(frozen=True)
class Inputs:
    """Everything that a plan was made from; stored with a session, so that its plan can be made again."""

    check_in: Mapping[str, int]
    readiness: Readiness
    ledger: Ledger
    profile: ConditioningProfile
    ruleset: Ruleset
    """The gateway's own rules."""
    planned_time: datetime
    overlay: OverlayInForce | None = None
    """What was stricter for this athlete."""

    @property
    def own(self) -> Overlay:
        """What was stricter, be it nothing."""
        return own_of(self.overlay)

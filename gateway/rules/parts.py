"""The parts that rules.yaml is made of, and what each of them alone must satisfy."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from gateway.domain.plan import (
    BlockType,
    LoadType,
    State,
    TrackingUnit,
)
from shared.errors import nearest

type Problems = Iterator[tuple[tuple[str | int, ...], str]]


class Variant(StrEnum):
    """Which list of a selection: a state's own, the one for any other state, or the replacements."""

    GREEN = "GREEN"
    ORANGE = "ORANGE"
    RED = "RED"
    DEFAULT = "DEFAULT"
    SPARE = "SPARE"


class AnchorRole(StrEnum):
    """What the pattern that is due gives to a block."""

    MAIN = "MAIN"
    RELATED = "RELATED"


class Knee(StrEnum):
    """What an exercise does to a knee that a painful one must be spared."""

    JUMP = "JUMP"
    SQUAT = "SQUAT"
    LUNGE = "LUNGE"


# Sets are counted from 0 to 99.
MOST_SETS = 100


@dataclass(frozen=True)
class CatalogEntry:
    """What is known of an exercise. `reserve`: no selection plans it. `knee`: no RED day may reach it."""

    load: LoadType
    unit: TrackingUnit
    unilateral: bool = False
    reserve: bool = False
    knee: Knee | None = None


@dataclass(frozen=True)
class Component:
    """One ingredient of a block: exactly one of the kinds that rules.yaml explains."""

    slot: str | None = None
    tier: str | None = None
    rotation: str | None = None
    complements: str | None = None
    anchor: AnchorRole | None = None
    conditioning: bool = False

    @property
    def words(self) -> str:
        """The component as its kind and name."""
        named = {"slot": self.slot, "tier": self.tier, "rotation": self.rotation, "anchor": self.anchor}
        return next((f"{kind} {name}" for kind, name in named.items() if name is not None), "conditioning")

    def problems(self) -> Problems:
        """What the types cannot say: a component is one thing."""
        kinds = [self.slot, self.tier, self.rotation, self.anchor, self.conditioning or None]
        if sum(kind is not None for kind in kinds) != 1:
            yield (), "a component is exactly one of slot, tier, rotation, anchor, conditioning: true"
        if self.complements is not None and self.rotation is None:
            yield (), "complements goes with rotation"


@dataclass(frozen=True)
class BlockTemplate:
    """One block of a template."""

    type: BlockType
    label: str
    components: tuple[Component, ...]

    def problems(self) -> Problems:
        """What the types cannot say: a block has something in it."""
        if not self.label:
            yield ("label",), "label must not be empty"
        if not self.components:
            yield ("components",), "a block needs at least one component"


@dataclass(frozen=True)
class Tier:
    """Slots of one kind of work by readiness state."""

    hardest_first: tuple[str, ...]
    by_state: Mapping[State, str]

    def problems(self) -> Problems:
        """What the types cannot say: every state has a slot, and a worse one never a harder slot."""
        for state in State:
            if state not in self.by_state:
                yield ("by_state",), f"there is no slot for state {state}"
            elif self.by_state[state] not in self.hardest_first:
                yield ("by_state", state), unknown("slot", self.by_state[state], self.hardest_first)
        for index, slot in twice(self.hardest_first):
            yield ("hardest_first", index), f"{slot!r} stands twice"
        for index, slot in enumerate(self.hardest_first):
            if slot not in self.by_state.values():
                yield ("hardest_first", index), f"no state ever gets {slot!r}"
        ranks = [self.hardest_first.index(slot) for slot in self._given() if slot in self.hardest_first]
        if ranks != sorted(ranks):
            yield ("by_state",), "a worse state must not get a harder slot"
        if self.hardest_first and self.by_state.get(State.ORANGE) == self.hardest_first[0]:
            yield ("by_state", State.ORANGE), "ORANGE must not get the hardest slot"

    def _given(self) -> list[str]:
        return [self.by_state[state] for state in State if state in self.by_state]


@dataclass(frozen=True)
class PlausibleWatts:
    """The average power that a time trial can have, both ends included."""

    lowest: int
    highest: int

    def problems(self) -> Problems:
        """What the types cannot say: there is something in between."""
        if not 0 < self.lowest < self.highest <= 2000:
            yield (), "lowest and highest must satisfy 0 < lowest < highest <= 2000"


@dataclass(frozen=True)
class EvidenceRules:
    """What must be logged before anything progresses."""

    working_sets: int
    interval_rounds: float
    benchmark_watts: PlausibleWatts
    correction_hours: int
    late_completion_days: int

    def problems(self) -> Problems:
        """What the types cannot say: something must always be logged."""
        if not 1 <= self.working_sets <= MOST_SETS:
            message = f"working_sets must be at least 1 and at most {MOST_SETS}: nothing progresses without evidence"
            yield ("working_sets",), message
        if not 0 < self.interval_rounds <= 1:
            yield ("interval_rounds",), "interval_rounds is a share above 0 and at most 1"
        if self.correction_hours < 0:
            yield ("correction_hours",), "correction_hours must not be negative"
        if self.late_completion_days < 0:
            yield ("late_completion_days",), "late_completion_days must not be negative"


def twice(names: Iterable[str]) -> Iterator[tuple[int, str]]:
    """The names that stood before, and where they stand again."""
    seen: set[str] = set()
    for index, name in enumerate(names):
        if name in seen:
            yield index, name
        seen.add(name)


def unknown(what: str, name: str, known: Iterable[str]) -> str:
    """What is said of a name that stands for nothing."""
    return f"unknown {what} {name!r}{hint(name, known)}"


def hint(name: str, known: Iterable[str]) -> str:
    """The nearest name that stands for something, if one is near."""
    close = nearest(name, known)
    return f"; did you mean {close[0]!r}?" if close else ""

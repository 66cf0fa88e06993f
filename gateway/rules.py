"""The typed view of rules.yaml."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from gateway.domain.plan import MAIN_SUFFIX, Archetype, BlockType, Exercise, LoadType, State, TrackingUnit
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
                yield ("by_state", state), _unknown("slot", self.by_state[state], self.hardest_first)
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
        if self.working_sets < 1:
            yield ("working_sets",), "working_sets must be at least 1: nothing progresses without evidence"
        if not 0 < self.interval_rounds <= 1:
            yield ("interval_rounds",), "interval_rounds is a share above 0 and at most 1"
        if self.correction_hours < 0:
            yield ("correction_hours",), "correction_hours must not be negative"
        if self.late_completion_days < 0:
            yield ("late_completion_days",), "late_completion_days must not be negative"


@dataclass(frozen=True)
class SessionRules:
    """All rules of the gateway."""

    ruleset: str
    catalog: Mapping[str, CatalogEntry]
    templates: Mapping[Archetype, tuple[BlockTemplate, ...]]
    tiers: Mapping[str, Tier]
    related: Mapping[str, tuple[str, ...]]
    complements: Mapping[str, str]
    selections: Mapping[str, Mapping[Variant, tuple[str, ...]]]
    evidence: EvidenceRules

    def exercise(self, name: str) -> Exercise:
        """An exercise that is known to be in the catalog."""
        entry = self.catalog[name]
        return Exercise(name, entry.unilateral, entry.load, entry.unit)

    @property
    def exercises(self) -> tuple[Exercise, ...]:
        """The whole catalog, in its order."""
        return tuple(self.exercise(name) for name in self.catalog)

    @property
    def components(self) -> tuple[Component, ...]:
        """Every component of every template."""
        return tuple(c for blocks in self.templates.values() for block in blocks for c in block.components)

    def problems(self) -> Problems:
        """What the types cannot say: every name exists and can be reached."""
        for archetype in Archetype:
            if not self.templates.get(archetype):
                yield ("templates",), f"archetype {archetype.value} has no blocks"
        yield from self._unknown_names()
        yield from self._unreachable_names()
        yield from self._knee_loading_names()

    def _unknown_names(self) -> Problems:
        for slot, variants in self.selections.items():
            for variant, names in variants.items():
                for index, name in enumerate(names):
                    if name not in self.catalog:
                        yield ("selections", slot, variant, index), _unknown("exercise", name, self.catalog)
        for path, slot in self._named_slots():
            if slot not in self.selections:
                yield path, _unknown("slot", slot, self.selections)
        for component in self.components:
            if component.tier is not None and component.tier not in self.tiers:
                yield ("templates",), _unknown("tier", component.tier, self.tiers)
        for archetype, blocks in self.templates.items():
            used: set[str | None] = set()
            for component in (component for block in blocks for component in block.components):
                if component.complements is not None and component.complements not in used:
                    message = f"complements {component.complements!r}, but no rotation of that name comes before it"
                    yield ("templates", archetype), message
                used.add(component.rotation)

    def _named_slots(self) -> Iterator[tuple[tuple[str | int, ...], str]]:
        for archetype, blocks in self.templates.items():
            for number, block in enumerate(blocks):
                for index, component in enumerate(block.components):
                    if component.slot is not None:
                        yield ("templates", archetype, number, "components", index), component.slot
        for name, tier in self.tiers.items():
            for index, slot in enumerate(tier.hardest_first):
                yield ("tiers", name, "hardest_first", index), slot
        for pattern, slots in self.related.items():
            yield ("related", pattern), pattern + MAIN_SUFFIX
            for index, slot in enumerate(slots):
                yield ("related", pattern, index), slot
        for first, second in self.complements.items():
            yield ("complements", first), first
            yield ("complements", first), second

    def _unreachable_names(self) -> Problems:
        named = {slot for _, slot in self._named_slots()}
        rotations = tuple(c.rotation for c in self.components if c.rotation is not None)
        for slot in self.selections:
            if slot not in named and not slot.startswith(rotations):
                yield ("selections", slot), f"nothing ever asks for slot {slot!r}"
        asked = {component.tier for component in self.components}
        for tier in self.tiers:
            if tier not in asked:
                yield ("tiers", tier), f"no template asks for tier {tier!r}"
        selected = {name for variants in self.selections.values() for names in variants.values() for name in names}
        for name, entry in self.catalog.items():
            planned = name in selected or entry.unit is TrackingUnit.WATTS
            if planned == entry.reserve:
                wanted = "is planned, so it is no reserve" if planned else "is never planned; mark it `reserve: true`"
                yield ("catalog", name), f"exercise {name!r} {wanted}"

    def knee_loading(self, slot: str) -> Iterator[tuple[Variant, int, str]]:
        """What a slot could give on a RED day that loads the knee: variant, index, exercise."""
        variants = self.selections.get(slot, {})
        own = Variant.RED if Variant.RED in variants else Variant.DEFAULT
        for variant in (own, Variant.SPARE):
            for index, name in enumerate(variants.get(variant, ())):
                if name in self.catalog and self.catalog[name].knee is not None:
                    yield variant, index, name

    def _knee_loading_names(self) -> Problems:
        """RED leads to RECOVERY alone, as readiness sees to."""
        for slot in dict.fromkeys(slot for c in self._recovery for slot in self._slots_on_red(c)):
            for variant, index, name in self.knee_loading(slot):
                yield ("selections", slot, variant, index), _loads_knee(name, slot, self.catalog[name])

    @property
    def _recovery(self) -> tuple[Component, ...]:
        return tuple(c for block in self.templates.get(Archetype.RECOVERY, ()) for c in block.components)

    def _slots_on_red(self, component: Component) -> Iterator[str]:
        """Every slot that a component can come to on a RED day, whatever the ledger says."""
        if component.slot is not None:
            yield component.slot
        if component.tier is not None and component.tier in self.tiers:
            yield self.tiers[component.tier].by_state.get(State.RED, "")
        if component.rotation is not None:
            # Which slots a rotation has is for the rules of debt to say; `disagreements` looks at those.
            yield from (slot for slot in self.selections if slot.startswith(component.rotation))
        if component.complements is not None:
            yield from self.complements.values()
        if component.anchor is AnchorRole.MAIN:
            yield from (pattern + MAIN_SUFFIX for pattern in self.related)
        if component.anchor is AnchorRole.RELATED:
            yield from (slot for slots in self.related.values() for slot in slots)

    @property
    def rotations_on_red(self) -> tuple[str, ...]:
        """The rotations that a RED day takes a slot from."""
        return tuple(c.rotation for c in self._recovery if c.rotation is not None)


def disagreements(rules: SessionRules, rotations: Mapping[str, Iterable[str]], equipment: str) -> Iterator[str]:
    """What the rules of the other services ask of these and do not find, or the other way round."""
    for component in rules.components:
        if component.rotation is not None and component.rotation not in rotations:
            yield _unknown("rotation", component.rotation, rotations)
    for pattern in rotations.get("MAIN", ()):
        if pattern not in rules.related:
            yield f"main pattern {pattern!r} has no related accessories"
    for name, slots in rotations.items():
        suffix = MAIN_SUFFIX if name == "MAIN" else ""
        for slot in slots:
            if slot + suffix not in rules.selections:
                yield f"slot {slot + suffix!r} of rotation {name!r} has no selection"
    for slot in (slot for name in rules.rotations_on_red for slot in rotations.get(name, ())):
        for _, _, exercise in rules.knee_loading(slot):
            yield _loads_knee(exercise, slot, rules.catalog[exercise])
    if equipment not in rules.catalog:
        yield _unknown("exercise", equipment, rules.catalog)


def _loads_knee(name: str, slot: str, entry: CatalogEntry) -> str:
    return f"a RED day may come to {slot}, and must not get {name!r}: its knee mark is {entry.knee}"


def _unknown(what: str, name: str, known: Iterable[str]) -> str:
    close = nearest(name, known)
    return f"unknown {what} {name!r}" + (f"; did you mean {close[0]!r}?" if close else "")

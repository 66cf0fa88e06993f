"""All rules of the gateway together, and whether every name in them stands for something."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from gateway.domain.plan import MAIN_SUFFIX, Archetype, Exercise, State
from gateway.rules import knee, reach
from gateway.rules.parts import (
    BlockTemplate,
    CatalogEntry,
    Component,
    EvidenceRules,
    Problems,
    Tier,
    Variant,
    hint,
    twice,
    unknown,
)


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
        return self._exercises[name]

    def variant(self, slot: str, state: State) -> Variant | None:
        """The list of a slot that is for a state; None if it has none."""
        own = Variant(state.value)
        return next((variant for variant in (own, Variant.DEFAULT) if variant in self.selections[slot]), None)

    def listed(self, slot: str, state: State) -> tuple[str, ...]:
        """The exercises that a slot gives in a state, be it none."""
        variant = self.variant(slot, state)
        return () if variant is None else self.selections[slot][variant]

    @property
    def exercises(self) -> tuple[Exercise, ...]:
        """The whole catalog, in its order."""
        return tuple(self._exercises.values())

    @cached_property
    def _exercises(self) -> Mapping[str, Exercise]:
        return {name: Exercise(name, one.unilateral, one.load, one.unit) for name, one in self.catalog.items()}

    @property
    def placed_components(self) -> Iterator[tuple[tuple[str | int, ...], Component]]:
        """Every component of every template, and where it stands."""
        for archetype, blocks in self.templates.items():
            for number, block in enumerate(blocks):
                for index, component in enumerate(block.components):
                    yield ("templates", archetype, number, "components", index), component

    @property
    def components(self) -> tuple[Component, ...]:
        """Every component of every template."""
        return tuple(component for _, component in self.placed_components)

    @property
    def slots_named(self) -> frozenset[str]:
        """Every slot that something in these rules names besides its own selection."""
        return frozenset(slot for _, slot in self._named_slots())

    def problems(self) -> Problems:
        """What the types cannot say: every name exists and can be reached."""
        for archetype in Archetype:
            if not self.templates.get(archetype):
                yield ("templates",), f"archetype {archetype.value} has no blocks"
        yield from self._unknown_names()
        yield from self._repeated_names()
        yield from reach.problems(self)
        yield from knee.problems(self)

    def _unknown_names(self) -> Problems:
        for slot, variants in self.selections.items():
            for variant, names in variants.items():
                for index, name in enumerate(names):
                    if name not in self.catalog:
                        yield ("selections", slot, variant, index), unknown("exercise", name, self.catalog)
        for path, slot in self._named_slots():
            if slot not in self.selections:
                yield path, unknown("slot", slot, self.selections)
        for path, component in self.placed_components:
            if component.tier is not None and component.tier not in self.tiers:
                yield path, unknown("tier", component.tier, self.tiers)
        before: dict[str | int, list[str]] = {}
        for path, component in self.placed_components:
            rotations = before.setdefault(path[1], [])
            first = component.complements
            if first is not None and first not in rotations:
                yield (
                    path,
                    f"complements {first!r}, but no rotation of that name comes before it{hint(first, rotations)}",
                )
            if component.rotation is not None:
                rotations.append(component.rotation)

    def _named_slots(self) -> Iterator[tuple[tuple[str | int, ...], str]]:
        for path, component in self.placed_components:
            if component.slot is not None:
                yield path, component.slot
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

    def _repeated_names(self) -> Problems:
        for slot, variants in self.selections.items():
            spares = variants.get(Variant.SPARE, ())
            for variant, names in variants.items():
                for index, name in twice(names):
                    yield ("selections", slot, variant, index), f"{name!r} stands twice"
                if variant is not Variant.SPARE:
                    for name in (name for name in names if name in spares):
                        yield ("selections", slot, Variant.SPARE), f"{name!r} stands twice: it cannot replace itself"
        for pattern, slots in self.related.items():
            for index, slot in twice(slots):
                yield ("related", pattern, index), f"{slot!r} stands twice"
        for archetype in self.templates:
            seen: set[Component] = set()
            for path, component in self.placed_components:
                if path[1] != archetype:
                    continue
                if component in seen and not self._has_spares(component):
                    yield path, f"{component.words} stands twice in {archetype}, and gives nothing new"
                seen.add(component)

    def _has_spares(self, component: Component) -> bool:
        return component.slot is not None and Variant.SPARE in self.selections.get(component.slot, {})

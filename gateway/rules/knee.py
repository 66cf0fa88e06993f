"""Whether the rules spare a painful knee: nothing that loads it on a RED day, and never more on a worse day."""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from gateway.domain.plan import Archetype, State
from gateway.rules.parts import CatalogEntry, Component, Knee, Problems, Variant
from gateway.rules.reach import slots_of

if TYPE_CHECKING:
    from gateway.rules.session import SessionRules

# Words in the name of an exercise that say what it does to a knee; the first that fits counts. A mark that was
# forgotten would let the exercise through to a painful knee.
_SAYS = {
    Knee.JUMP: re.compile(r"\b(jump|hop|bound)", re.IGNORECASE),
    Knee.LUNGE: re.compile(r"\b(lunge|split squat)", re.IGNORECASE),
    Knee.SQUAT: re.compile(r"\bsquat", re.IGNORECASE),
}


def problems(rules: "SessionRules") -> Problems:
    """Marks that are missing, and exercises that a day must not get."""
    for name, entry in rules.catalog.items():
        says = next((mark for mark, words in _SAYS.items() if words.search(name)), None)
        if says is not None and entry.knee is not says:
            yield ("catalog", name), f"{name!r} loads the knee by its name; mark it `knee: {says}`"
    on_red = (slot for component in recovery(rules) for slot in slots_of(rules, component, State.RED))
    for slot in dict.fromkeys(on_red):
        for variant, index, name in loading(rules, slot):
            yield ("selections", slot, variant, index), refusal(name, slot, rules.catalog[name])
    yield from _harder_when_worse(rules)


def recovery(rules: "SessionRules") -> Iterator[Component]:
    """What a recovery day is made of. RED leads there alone, as readiness sees to."""
    return (component for path, component in rules.placed_components if path[1] == Archetype.RECOVERY)


def rotations_on_red(rules: "SessionRules") -> tuple[str, ...]:
    """The rotations that a RED day takes a slot from."""
    return tuple(component.rotation for component in recovery(rules) if component.rotation is not None)


def loading(rules: "SessionRules", slot: str) -> Iterator[tuple[Variant, int, str]]:
    """What a slot could give on a RED day that loads the knee: variant, index, exercise."""
    variants = rules.selections.get(slot, {})
    own = Variant.RED if Variant.RED in variants else Variant.DEFAULT
    for variant in (own, Variant.SPARE):
        for index, name in enumerate(variants.get(variant, ())):
            if name in rules.catalog and rules.catalog[name].knee is not None:
                yield variant, index, name


def refusal(name: str, slot: str, entry: CatalogEntry) -> str:
    """What is said of an exercise that a RED day must not get."""
    return f"a RED day may come to {slot}, and must not get {name!r}: its knee mark is {entry.knee}"


def _harder_when_worse(rules: "SessionRules") -> Problems:
    """What loads the knee in a way that the better day does not. RED has nothing of the kind."""
    pairs = [(slot, slot) for slot in rules.selections]
    pairs += [
        (tier.by_state.get(State.GREEN, ""), tier.by_state.get(State.ORANGE, "")) for tier in rules.tiers.values()
    ]
    for better, worse in pairs:
        allowed = {mark for _, _, mark in _marks(rules, better, Variant.GREEN)}
        for variant, index, mark in _marks(rules, worse, Variant.ORANGE):
            if mark not in allowed:
                name = rules.selections[worse][variant][index]
                message = f"ORANGE must not get {name!r}: it is harder on the knee than what GREEN gets ({mark})"
                yield ("selections", worse, variant, index), message


def _marks(rules: "SessionRules", slot: str, own: Variant) -> Iterator[tuple[Variant, int, Knee]]:
    variants = rules.selections.get(slot, {})
    variant = own if own in variants else Variant.DEFAULT
    for index, name in enumerate(variants.get(variant, ())):
        mark = rules.catalog[name].knee if name in rules.catalog else None
        if mark is not None:
            yield variant, index, mark

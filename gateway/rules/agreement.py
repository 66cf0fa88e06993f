"""Whether the rules of the gateway and those of the other services fit each other."""

from collections.abc import Iterator, Mapping, Sequence

from gateway.domain.plan import MAIN_ROTATION, MAIN_SUFFIX, TrackingUnit
from gateway.rules import knee
from gateway.rules.parts import hint, unknown
from gateway.rules.session import SessionRules


def disagreements(
    rules: SessionRules, rotations: Mapping[str, Sequence[str]], equipment: str
) -> Iterator[tuple[str, tuple[str | int, ...], str]]:
    """What the rules of the other services ask of these and do not find, or the other way round.

    Each is the service whose rules hold it, where, and what is wrong.
    """
    asked, rotations_on_red = {MAIN_ROTATION}, knee.rotations_on_red(rules)
    for path, component in rules.placed_components:
        if component.rotation is not None:
            asked.add(component.rotation)
            if component.rotation not in rotations:
                yield "session", path, unknown("rotation", component.rotation, rotations)
    for name, slots in rotations.items():
        suffix = MAIN_SUFFIX if name == MAIN_ROTATION else ""
        if name not in asked:
            yield "debt", ("rotations", name), f"no template asks for rotation {name!r}"
        for index, slot in enumerate(slots):
            place, selection = ("rotations", name, index), slot + suffix
            if name == MAIN_ROTATION and slot not in rules.related:
                yield "debt", place, f"main pattern {slot!r} has no related accessories{hint(slot, rules.related)}"
            if selection not in rules.selections:
                close = hint(selection, rules.selections)
                yield "debt", place, f"slot {selection!r} of rotation {name!r} has no selection{close}"
            if name in rotations_on_red:
                for _, _, exercise in knee.loading(rules, slot):
                    yield "debt", place, knee.refusal(exercise, slot, rules.catalog[exercise])
    yield from _never_asked(rules, rotations)
    yield from _machines(rules, equipment)


def _machines(rules: SessionRules, equipment: str) -> Iterator[tuple[str, tuple[str | int, ...], str]]:
    """Only the machine of the conditioning rules is planned in watts."""
    machine = rules.catalog.get(equipment)
    if machine is None:
        yield "conditioning", ("equipment",), unknown("exercise", equipment, rules.catalog)
        return
    if machine.unit is not TrackingUnit.WATTS:
        yield (
            "conditioning",
            ("equipment",),
            f"equipment must be counted in WATTS, and {equipment!r} is in {machine.unit}",
        )
    for name, entry in rules.catalog.items():
        if entry.unit is TrackingUnit.WATTS and name != equipment and not entry.reserve:
            message = f"exercise {name!r} is never planned; mark it `reserve: true`"
            yield "session", ("catalog", name), message
    for slot, variants in rules.selections.items():
        for variant, names in variants.items():
            for index, name in enumerate(names):
                if rules.catalog[name].unit is TrackingUnit.WATTS:
                    message = f"{name!r}: only the machine of the conditioning rules is counted in WATTS"
                    yield "session", ("selections", slot, variant, index), message


def _never_asked(
    rules: SessionRules, rotations: Mapping[str, Sequence[str]]
) -> Iterator[tuple[str, tuple[str | int, ...], str]]:
    """What only debt's rotations could ask for, and do not."""
    patterns = rotations.get(MAIN_ROTATION, ())
    turns = {slot for slots in rotations.values() for slot in slots}
    for pattern in rules.related:
        if pattern not in patterns:
            yield "session", ("related", pattern), f"{pattern!r} is no main pattern of the rules of debt"
    for slot in rules.selections:
        if slot not in rules.slots_named and slot not in turns:
            yield "session", ("selections", slot), f"no template and no rotation ever asks for slot {slot!r}"
    completed = {component.complements for component in rules.components} - {None}
    firsts = {slot for name in completed for slot in rotations.get(name or "", ())}
    for first in rules.complements:
        if first not in firsts:
            yield "session", ("complements", first), f"no rotation that is complemented ever gives {first!r}"

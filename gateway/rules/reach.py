"""Whether everything in the rules can come into a plan. What cannot is a mistake, or says that it is a reserve."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from gateway.domain.plan import MAIN_SUFFIX, Archetype, State, TrackingUnit
from gateway.rules.parts import AnchorRole, Component, Problems, Variant

if TYPE_CHECKING:
    from gateway.rules.session import SessionRules

# The states that a kind of session may be planned in: a RED athlete recovers, whatever the rules.
_STATES_OF = {Archetype.PERFORMANCE: (State.GREEN, State.ORANGE), Archetype.RECOVERY: tuple(State)}


def problems(rules: "SessionRules") -> Problems:
    """Slots, lists, tiers and exercises that no plan can come to, and slots whose turn never ends."""
    asked = _asked(rules)
    yield from _endless_turns(rules)
    for slot in rules.selections:
        if slot not in asked and not _is_reserve(rules, slot):
            yield ("selections", slot), f"nothing ever asks for slot {slot!r}"
    for slot, states in asked.items():
        yield from _unread_lists(rules, slot, states)
    tiers = {component.tier for component in rules.components}
    for tier in rules.tiers:
        if tier not in tiers:
            yield ("tiers", tier), f"no template asks for tier {tier!r}"
    planned = {name for slot, states in asked.items() for name in _given(rules, slot, states)}
    for name, entry in rules.catalog.items():
        # Only the rules of conditioning say which machine is planned; `disagreements` looks at that.
        if entry.unit is not TrackingUnit.WATTS and (name in planned) == entry.reserve:
            wanted = "is never planned; mark it `reserve: true`"
            if entry.reserve:
                wanted = "is planned, so it is no reserve"
            yield ("catalog", name), f"exercise {name!r} {wanted}"


def slots_of(rules: "SessionRules", component: Component, state: State) -> Iterator[str]:
    """Every slot that a component can come to on a day of this state, whatever the ledger says."""
    if component.slot is not None:
        yield component.slot
    if component.tier is not None and component.tier in rules.tiers:
        yield rules.tiers[component.tier].by_state.get(state, "")
    if component.rotation is not None:
        # Which slots a rotation has is for the rules of debt to say; `disagreements` looks at those.
        yield from (slot for slot in rules.selections if slot.startswith(component.rotation))
    if component.complements is not None:
        yield from rules.complements.values()
    if component.anchor is AnchorRole.MAIN:
        yield from (pattern + MAIN_SUFFIX for pattern in rules.related)
    if component.anchor is AnchorRole.RELATED:
        yield from (slot for slots in rules.related.values() for slot in slots)


def rule_ids(rules: "SessionRules", others: Mapping[str, bool]) -> dict[str, bool]:
    """The ids that decisions can have, and whether a plan can come to each: those of the other services, then these.

    `others` are what the other services say of their own rules; these rules may leave a rotation nothing to decide.
    """
    asked = {component.rotation for component in rules.components if not _is_complement(rules, component)}
    idle = {f"debt.rotations.{one.rotation}" for one in rules.components if one.rotation and one.rotation not in asked}
    heard = {rule_id: can_decide and rule_id not in idle for rule_id, can_decide in others.items()}
    return heard | {f"session.{path}": can_decide for path, can_decide in _paths(rules)}


def _is_complement(rules: "SessionRules", component: Component) -> bool:
    """Whether the slot of a component always follows from an earlier one."""
    first = component.complements
    return first is not None and all(slot in rules.complements for slot in rules.selections if slot.startswith(first))


def _paths(rules: "SessionRules") -> Iterator[tuple[str, bool]]:
    for name in rules.tiers:
        asking = {state for path, component in rules.placed_components if component.tier == name for state in _on(path)}
        yield from ((f"tiers.{name}.{state}", state in asking) for state in State)
    related = any(component.anchor is AnchorRole.RELATED for component in rules.components)
    yield from ((f"related.{pattern}", related) for pattern in rules.related)
    completed = tuple(component.complements for component in rules.components if component.complements)
    yield from ((f"complements.{slot}", slot.startswith(completed)) for slot in rules.complements)
    asked = _asked(rules)
    for slot, variants in rules.selections.items():
        read = {_variant(variants, state) for state in asked.get(slot, ())}
        yield from ((f"selections.{slot}.{one}", one in read) for one in variants if one is not Variant.SPARE)
        if not read <= variants.keys():
            yield f"selections.{slot}", True  # a day on which it is left out


def _variant(variants: Mapping[Variant, object], state: State) -> Variant:
    own = Variant(state.value)
    return own if own in variants else Variant.DEFAULT


def _on(path: tuple[str | int, ...]) -> tuple[State, ...]:
    """The states in which a component of a template can be asked for."""
    return _STATES_OF[Archetype(str(path[1]))]


def _asked(rules: "SessionRules") -> dict[str, set[State]]:
    """The states in which each slot can be asked for."""
    asked: dict[str, set[State]] = {}
    for path, component in rules.placed_components:
        for state in _on(path):
            for slot in slots_of(rules, component, state):
                asked.setdefault(slot, set()).add(state)
    return asked


def _given(rules: "SessionRules", slot: str, states: set[State]) -> Iterator[str]:
    variants = rules.selections.get(slot, {})
    for state in states:
        yield from variants.get(_variant(variants, state), ())
    if states:
        yield from variants.get(Variant.SPARE, ())


def _unread_lists(rules: "SessionRules", slot: str, states: set[State]) -> Problems:
    variants = rules.selections.get(slot, {})
    own = {Variant(state.value) for state in states}
    for variant in variants:
        if variant in {Variant(state.value) for state in State} and variant not in own:
            yield ("selections", slot, variant), f"never read: no {variant} day comes to {slot}"
    if Variant.DEFAULT in variants and own <= variants.keys():
        yield ("selections", slot, Variant.DEFAULT), f"never read: every day that comes to {slot} has a list of its own"
    if Variant.SPARE in variants:
        listed = Counter(name for other in rules.selections.values() for name in {n for v in other.values() for n in v})
        twice_asked = sum(component.slot == slot for component in rules.components) > 1
        if not twice_asked and all(
            listed[name] < 2 for v, names in variants.items() if v is not Variant.SPARE for name in names
        ):
            yield ("selections", slot, Variant.SPARE), f"never needed: no exercise of {slot} stands in another slot"


def _endless_turns(rules: "SessionRules") -> Problems:
    """Slots that may be due on a day that has nothing for them: nothing is trained then, so they stay due."""
    told: set[tuple[str, State]] = set()
    for path, component in rules.placed_components:
        if component.rotation is None and component.anchor is not AnchorRole.MAIN:
            continue
        for state in _on(path):
            for slot in slots_of(rules, component, state):
                variants = rules.selections.get(slot, {})
                if (slot, state) not in told and variants and _variant(variants, state) not in variants:
                    told.add((slot, state))
                    message = (
                        f"no exercise when {state}: {slot!r} would stay due, and what takes turns with it would wait"
                    )
                    yield ("selections", slot), message


def _is_reserve(rules: "SessionRules", slot: str) -> bool:
    """Whether a slot is there for a state that no template plans it in, and its exercises say so."""
    named = any(slot in tier.by_state.values() for tier in rules.tiers.values())
    names = [name for names in rules.selections[slot].values() for name in names]
    return named and all(name in rules.catalog and rules.catalog[name].reserve for name in names)

"""Composes a session. Pure: the same inputs and rules give the same plan, byte for byte."""

from collections.abc import Iterable
from dataclasses import replace
from functools import lru_cache

from gateway.domain.inputs import Inputs
from gateway.domain.overlaid import still_due, why_disabled, why_no_conditioning, why_unavailable
from gateway.domain.plan import (
    CONDITIONING_SLOT,
    MAIN_ROTATION,
    MAIN_SUFFIX,
    Archetype,
    Block,
    Plan,
    PlannedExercise,
    Ruleset,
    State,
)
from gateway.rules import AnchorRole, BlockTemplate, Component, SessionRules, Variant
from shared.decision import Decision

MOST_REASONS = 4096


def compose(inputs: Inputs, rules: SessionRules) -> Plan:
    """Today's session for these inputs. Total over inputs that agree with the rules; never raises."""
    inputs = still_due(inputs, rules)
    composer = _Composer(inputs, rules)
    readiness = inputs.readiness
    blocks = [composer.block(template) for template in rules.templates[readiness.archetype]]
    return Plan(
        state=readiness.state,
        archetype=readiness.archetype,
        anchor_pattern=composer.anchor,
        blocks=tuple(block for block in blocks if block.exercises),
        decisions=(*readiness.decisions, _why_anchor(inputs), *composer.decisions),
        rulesets=_rulesets(inputs),
        degraded=not inputs.profile.is_known,
    )


class _Composer:
    """Fills blocks one after the other, and remembers what was used and why."""

    def __init__(self, inputs: Inputs, rules: SessionRules) -> None:
        self.anchor = inputs.ledger.main.slots[0].slot
        self.decisions: list[Decision] = []
        self._inputs = inputs
        self._rules = rules
        self._state = inputs.readiness.state
        self._own = inputs.own
        self._used: set[str] = set()
        self._turns: dict[str, str] = {}

    def block(self, template: BlockTemplate) -> Block:
        planned = (exercise for component in template.components for exercise in self._fill(component))
        return Block(template.type, template.label, tuple(planned))

    def _fill(self, component: Component) -> Iterable[PlannedExercise]:
        if component.conditioning:
            return self._conditioning()
        return [exercise for slot in self._slots(component) for exercise in self._select(slot)]

    def _slots(self, component: Component) -> tuple[str, ...]:
        if component.slot is not None:
            return (component.slot,)
        if component.tier is not None:
            return (self._tier(component.tier),)
        if component.rotation is not None:
            return (self._turn(component.rotation, component.complements),)
        if component.anchor is AnchorRole.MAIN:
            return (self.anchor + MAIN_SUFFIX,)
        return self._related()

    def _tier(self, tier: str) -> str:
        """The slot that a tier gives for today's state."""
        slot = self._rules.tiers[tier].by_state[self._state]
        others = tuple(other for other in self._rules.tiers[tier].hardest_first if other != slot)
        rule_id, sentence = f"session.tiers.{tier}.{self._state}", f"{tier} is {slot} when {self._state}."
        self.decisions.append(Decision(tier, slot, rule_id, {"state": self._state}, sentence, "", others))
        return slot

    def _related(self) -> tuple[str, ...]:
        """The accessory slots that go with the anchor."""
        slots = self._rules.related[self.anchor]
        rule_id, sentence = f"session.related.{self.anchor}", f"{' and '.join(slots)} go with {self.anchor}."
        inputs = {"anchor_pattern": self.anchor}
        self.decisions.append(Decision("accessories", ", ".join(slots), rule_id, inputs, sentence))
        return slots

    def _turn(self, rotation: str, complements: str | None) -> str:
        """The slot whose turn it is: the complement of an earlier one, else the most due."""
        first = self._turns.get(complements or "")
        due = self._inputs.ledger.rotations[rotation]
        slot = self._rules.complements.get(first or "", due.slots[0].slot)
        if first is not None and first in self._rules.complements:
            others = tuple(ranked.slot for ranked in due.slots if ranked.slot != slot)
            sentence = f"{slot} complements {first}."
            rule_id = f"session.complements.{first}"
            self.decisions.append(Decision(rotation, slot, rule_id, {complements or "": first}, sentence, "", others))
        else:
            self.decisions.append(due.decision)
        self._turns[rotation] = slot
        return slot

    def _select(self, slot: str) -> list[PlannedExercise]:
        if self._own.disables(slot):
            self.decisions.append(why_disabled(slot, self._state))
            return []
        variants, variant = self._rules.selections[slot], self._rules.variant(slot, self._state)
        inputs = {"state": self._state.value}
        if variant is None:
            sentence = f"{slot} is left out: it has no exercise when {self._state.value}."
            listed = tuple(name for names in variants.values() for name in names)
            self.decisions.append(Decision(slot, "", f"session.selections.{slot}", inputs, sentence, "", listed))
            return []
        rule_id = f"session.selections.{slot}.{variant.value}"
        spares = [name for name in variants.get(Variant.SPARE, ()) if name not in variants[variant]]
        planned = []
        for wanted in variants[variant]:
            name = wanted if wanted not in self._used else next((s for s in spares if s not in self._used), None)
            gone = next((one for one in (wanted, name) if one in self._own.unavailable), None)
            if gone is not None:
                self.decisions.append(why_unavailable(slot, gone, self._state))
                continue
            self.decisions.append(_why_exercise(slot, wanted, name, rule_id, self._state))
            if name is not None:
                self._used.add(name)
                planned.append(PlannedExercise(self._rules.exercise(name), slot))
        return planned

    def _conditioning(self) -> list[PlannedExercise]:
        prescription = self._inputs.profile.prescriptions[self._state]
        work = prescription.conditioning
        if work.equipment in self._own.unavailable:
            self.decisions.append(why_no_conditioning(work))
            return []
        self.decisions.extend(prescription.decisions)
        self._used.add(work.equipment)
        return [PlannedExercise(self._rules.exercise(work.equipment), CONDITIONING_SLOT, work)]


def _rulesets(inputs: Inputs) -> tuple[Ruleset, ...]:
    own = () if inputs.overlay is None else (inputs.overlay.stamp,)
    return (inputs.readiness.ruleset, inputs.ledger.ruleset, inputs.profile.ruleset, inputs.ruleset, *own)


def _why_anchor(inputs: Inputs) -> Decision:
    decision = replace(inputs.ledger.rotations[MAIN_ROTATION].decision, subject="anchor_pattern")
    if inputs.readiness.archetype is Archetype.RECOVERY:
        stays = f"{decision.sentence} A recovery session does not pay it, so it stays due."
        return replace(decision, sentence=stays)
    return decision


@lru_cache(MOST_REASONS)
def _why_exercise(slot: str, wanted: str, name: str | None, rule_id: str, state: State) -> Decision:
    """The same for everybody: rules give a few hundred of these."""
    inputs = {"state": state.value}
    if name == wanted:
        return Decision(slot, name, rule_id, inputs, f"{name} is the choice of {slot} when {state.value}.")
    twice = f"{wanted} already stands in this session"
    if name is None:
        return Decision(slot, "", rule_id, inputs, f"{slot} is left out: {twice}.", "", (wanted,))
    return Decision(slot, name, rule_id, inputs, f"{name} replaces {wanted}: {twice}.", "", (wanted,))

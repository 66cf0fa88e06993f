"""What an overlay leaves of a plan, and how it says so. It takes away, and replaces nothing that it took."""

from dataclasses import replace

from gateway.domain.inputs import Inputs, Rotation
from gateway.domain.overlay import Overlay
from gateway.domain.plan import MAIN_ROTATION, MAIN_SUFFIX, Conditioning, State
from gateway.rules import SessionRules
from shared.decision import Decision

_PATTERNS, _UNAVAILABLE = "overlay.disabled_patterns", "overlay.unavailable"


def still_due(inputs: Inputs, rules: SessionRules) -> Inputs:
    """The inputs without the slots of which nothing would be left: what is next in turn is next in their place."""
    if inputs.overlay is None:
        return inputs
    rotations = {
        name: _left(rotation, inputs.own, inputs.readiness.state, rules, MAIN_SUFFIX if name == MAIN_ROTATION else "")
        for name, rotation in inputs.ledger.rotations.items()
    }
    return replace(inputs, ledger=replace(inputs.ledger, rotations=rotations))


def leaves_anything(own: Overlay, slot: str, state: State, rules: SessionRules) -> bool:
    """Whether anything is left of what the rules give to a slot in a state, be that nothing from the start."""
    listed = rules.listed(slot, state)
    return not own.disables(slot) and (not listed or any(name not in own.unavailable for name in listed))


def why_disabled(slot: str, state: State) -> Decision:
    """Why a slot is left out."""
    sentence = f"{slot} is left out: the athlete's overlay takes this pattern away."
    return Decision(slot, "", _PATTERNS, {"state": state.value}, sentence)


def why_unavailable(slot: str, name: str, state: State) -> Decision:
    """Why an exercise is left out of its slot."""
    sentence = f"{name} is left out of {slot}: the athlete's overlay says that it is unavailable."
    return Decision(slot, "", _UNAVAILABLE, {"state": state.value}, sentence, "", (name,))


def why_no_conditioning(work: Conditioning) -> Decision:
    """Why there is no conditioning."""
    sentence = f"Conditioning is left out: the athlete's overlay says that {work.equipment} is unavailable."
    return Decision("conditioning", "", _UNAVAILABLE, {"equipment": work.equipment}, sentence, "", (work.protocol,))


def _left(rotation: Rotation, own: Overlay, state: State, rules: SessionRules, suffix: str) -> Rotation:
    left = tuple(slot for slot in rotation.slots if leaves_anything(own, slot.slot + suffix, state, rules))
    if not left or left[0] == rotation.slots[0]:
        # Nothing is left at all only if the ruleset has changed since the overlay was set: then it is left out later.
        return replace(rotation, slots=left or rotation.slots)
    due = left[0].slot
    passed_over = [slot.slot for slot in rotation.slots[: rotation.slots.index(left[0])]]
    decision = Decision(
        subject=rotation.decision.subject,
        outcome=due,
        rule_id=_PATTERNS if own.disables(passed_over[0]) else _UNAVAILABLE,
        inputs={**rotation.decision.inputs, "passed_over": ", ".join(passed_over)},
        alternatives=tuple(slot.slot for slot in left[1:]),
        sentence=f"{due} is next: the athlete's overlay leaves nothing of {' and '.join(passed_over)}.",
    )
    return Rotation(left, decision)

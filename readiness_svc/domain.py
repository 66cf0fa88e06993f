"""Decides how hard an athlete may train today. Pure: the same check-in and rules give the same verdict."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from uuid import UUID

from readiness_svc.rules import Archetype, Bands, Direction, ReadinessRules, State, StateName
from shared.decision import Decision

_SIGNALS = "readiness.signals"

type CheckIn = Mapping[str, int]
"""Answers from 0 to 10, by signal."""

type OwnBounds = Mapping[str, tuple[int, int]]
"""Lower and upper bound of an athlete's own, by signal. They only ever make the bounds of the rules stricter."""

NO_BOUNDS: OwnBounds = MappingProxyType({})


@dataclass(frozen=True)
class Reading:
    """The grade of one signal. `margin` is the number of points to the next worse state, None in the worst."""

    signal: str
    value: int
    state: State
    margin: int | None
    threshold: str


@dataclass(frozen=True)
class Verdict:
    """What a check-in means for today."""

    state: State
    archetype: Archetype
    readings: tuple[Reading, ...]
    decisions: tuple[Decision, ...]


@dataclass(frozen=True)
class RecordedCheckIn:
    """The check-in that a session was started with."""

    event_id: UUID
    athlete_id: UUID
    session_id: UUID
    check_in: CheckIn
    state: State
    check_in_time: datetime
    created_time: datetime | None = None
    """When the event came to be, as far as it is known."""


def evaluate(check_in: CheckIn, rules: ReadinessRules, own: OwnBounds = NO_BOUNDS) -> Verdict:
    """The worst signal wins. Total over valid check-ins; never raises."""
    signals = {name: bands.tightened(*own[name]) if name in own else bands for name, bands in rules.signals.items()}
    readings = tuple(grade(name, check_in[name], bands) for name, bands in signals.items())
    state = max(reading.state for reading in readings)
    archetype = rules.archetypes[StateName(state.name)]
    why_own = (
        _why_own(reading, rules) for reading in readings if signals[reading.signal] != rules.signals[reading.signal]
    )
    return Verdict(
        state, archetype, readings, (_why_state(state, readings), _why_archetype(state, archetype), *why_own)
    )


def rule_ids(rules: ReadinessRules) -> dict[str, bool]:
    """The ids that decisions can have, in the order of the rules; every one of them decides."""
    return {_SIGNALS: True} | {_archetype_rule(State[name]): True for name in rules.archetypes}


def grade(signal: str, value: int, bands: Bands) -> Reading:
    """The state that one signal alone leads to, and how far the next worse one is."""
    if bands.worse is Direction.HIGHER:
        if value >= bands.upper:
            return Reading(signal, value, State.RED, None, f"{signal} >= {bands.upper}")
        if value >= bands.lower:
            threshold = f"{bands.lower} <= {signal} < {bands.upper}"
            return Reading(signal, value, State.ORANGE, bands.upper - value, threshold)
        return Reading(signal, value, State.GREEN, bands.lower - value, f"{signal} < {bands.lower}")
    if value < bands.lower:
        return Reading(signal, value, State.RED, None, f"{signal} < {bands.lower}")
    if value < bands.upper:
        threshold = f"{bands.lower} <= {signal} < {bands.upper}"
        return Reading(signal, value, State.ORANGE, value - bands.lower + 1, threshold)
    return Reading(signal, value, State.GREEN, value - bands.upper + 1, f"{signal} >= {bands.upper}")


def _why_state(state: State, readings: tuple[Reading, ...]) -> Decision:
    deciding = [reading for reading in readings if reading.state is state]
    said = " and ".join(f"{_words(reading.signal)} {reading.value} of 10" for reading in deciding)
    return Decision(
        subject="state",
        outcome=state.name,
        rule_id=_SIGNALS,
        inputs={reading.signal: str(reading.value) for reading in readings},
        threshold=" and ".join(reading.threshold for reading in deciding),
        alternatives=tuple(other.name for other in State if other is not state),
        sentence=f"Today is {state.name} because of {said} ({', '.join(map(_distance, readings))}).",
    )


def _why_archetype(state: State, archetype: Archetype) -> Decision:
    return Decision(
        subject="archetype",
        outcome=archetype.value,
        rule_id=_archetype_rule(state),
        inputs={"state": state.name},
        alternatives=tuple(other.value for other in Archetype if other is not archetype),
        sentence=f"{state.name} calls for a {archetype.value.lower()} session.",
    )


def _why_own(reading: Reading, rules: ReadinessRules) -> Decision:
    """That the bounds of the athlete's own graded a signal, and what those of the rules would have said."""
    signal, value, state = reading.signal, reading.value, reading.state
    otherwise = grade(signal, value, rules.signals[signal]).state
    said = (
        f"By the athlete's own bounds, stricter than those of the rules, {_words(signal)} {value} of 10 is {state.name}"
    )
    return Decision(
        subject=signal,
        outcome=state.name,
        rule_id=f"overlay.readiness.{signal}",
        inputs={signal: str(value)},
        threshold=reading.threshold,
        alternatives=() if otherwise is state else (otherwise.name,),
        sentence=f"{said}, as by the rules." if otherwise is state else f"{said} instead of {otherwise.name}.",
    )


def _archetype_rule(state: State) -> str:
    return f"readiness.archetypes.{state.name}"


def _distance(reading: Reading) -> str:
    if reading.margin is None:
        return f"{_words(reading.signal)} is {reading.state.name}"
    points = "one point" if reading.margin == 1 else f"{reading.margin} points"
    return f"{_words(reading.signal)} is {points} from {State(reading.state + 1).name}"


def _words(signal: str) -> str:
    return signal.replace("_", " ")

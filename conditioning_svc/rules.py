"""The typed view of rules.yaml."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise

# Above this share of a benchmark no work is defensible.
HIGHEST_MULTIPLIER = 1.30


class Protocol(StrEnum):
    """A family of conditioning work."""

    HIIT = "HIIT"
    SIT = "SIT"
    SS = "SS"


# How hard each protocol is on an athlete; a worse state never trains a harder one.
HARDNESS = {Protocol.SS: 1, Protocol.HIIT: 2, Protocol.SIT: 3}


class Effort(StrEnum):
    """How hard a level is meant to be."""

    BENCHMARK = "BENCHMARK"
    TARGET_WATTS = "TARGET_WATTS"
    ALL_OUT = "ALL_OUT"
    CONVERSATIONAL = "CONVERSATIONAL"


class StateName(StrEnum):
    """Readiness, as the rules write it."""

    GREEN = "GREEN"
    ORANGE = "ORANGE"
    RED = "RED"


@dataclass(frozen=True)
class Level:
    """The work of one level: rounds of seconds of work and rest, at an effort."""

    rounds: int
    effort: Effort
    work_seconds: int | None = None
    rest_seconds: int | None = None
    multiplier: float | None = None
    text: str | None = None

    def problems(self) -> Iterator[tuple[tuple[str, ...], str]]:
        """What the types cannot say: the numbers fit the effort."""
        if self.rounds < 1:
            yield ("rounds",), "rounds must be at least 1"
        for name, seconds in (("work_seconds", self.work_seconds), ("rest_seconds", self.rest_seconds)):
            if seconds is not None and seconds < 1:
                yield (name,), f"{name} must be at least 1; leave it out if there is none"
        if self.rounds > 1 and (self.work_seconds is None or self.rest_seconds is None):
            yield (), "several rounds need work_seconds and rest_seconds"
        if (self.multiplier is not None) != (self.effort is Effort.TARGET_WATTS):
            yield (), "multiplier belongs to TARGET_WATTS, and only there"
        if self.multiplier is not None and not 0 < self.multiplier <= HIGHEST_MULTIPLIER:
            yield ("multiplier",), f"multiplier must be above 0 and at most {HIGHEST_MULTIPLIER:.2f}"
        if self.effort is Effort.BENCHMARK and (self.rounds != 1 or self.text is None):
            yield (), "a BENCHMARK is one round and needs a text that says what to do"


@dataclass(frozen=True)
class Ladder:
    """The levels of one protocol, from level 1 up."""

    progressive: bool
    levels: tuple[Level, ...]

    @property
    def top(self) -> int:
        """The highest level."""
        return len(self.levels)

    @property
    def is_hard(self) -> bool:
        """Whether any of its work is more than conversational."""
        return any(level.effort is not Effort.CONVERSATIONAL for level in self.levels)

    def problems(self) -> Iterator[tuple[tuple[str, ...], str]]:
        """What the types cannot say: there is something to climb, or nothing to climb, as it says."""
        if not self.levels:
            yield ("levels",), "a ladder needs at least one level"
        if not self.progressive and self.top > 1:
            yield ("levels",), "a ladder that is not progressive never leaves level 1; the other levels are unreachable"
        targets = any(level.effort is Effort.TARGET_WATTS for level in self.levels)
        if targets and all(level.effort is not Effort.BENCHMARK for level in self.levels):
            yield ("levels",), "TARGET_WATTS scales a benchmark, but no level of this ladder measures one"


@dataclass(frozen=True)
class ConditioningRules:
    """All rules of conditioning."""

    ruleset: str
    equipment: str
    by_state: Mapping[StateName, tuple[Protocol, ...]]
    protocols: Mapping[Protocol, Ladder]

    def _hardest(self, state: StateName) -> int:
        return max((HARDNESS[protocol] for protocol in self.by_state.get(state, ())), default=0)

    def problems(self) -> Iterator[tuple[tuple[str, ...], str]]:
        """What the types cannot say: every state trains something, every protocol is trained, RED is easy."""
        for state in StateName:
            if not self.by_state.get(state):
                yield ("by_state",), f"state {state.value} trains no protocol"
        for protocol in Protocol:
            if protocol not in self.protocols:
                yield ("protocols",), f"protocol {protocol.value} has no ladder"
            elif all(protocol not in candidates for candidates in self.by_state.values()):
                yield ("protocols", protocol.value), f"no state trains {protocol.value}, so its ladder is unreachable"
        for better, worse in pairwise(StateName):
            if self._hardest(worse) > self._hardest(better):
                yield ("by_state", worse), f"{worse} must not train a harder protocol than {better}"
        for candidate in self.by_state.get(StateName.RED, ()):
            if candidate in self.protocols and self.protocols[candidate].is_hard:
                yield (
                    ("by_state", "RED"),
                    f"RED must not train {candidate.value}: it is more than conversational",
                )

"""The typed view of rules.yaml."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from enum import IntEnum, StrEnum
from itertools import pairwise
from typing import Self

# The answers that a check-in can give.
SCALE = range(11)
# From here on an athlete recovers, whatever the rules: more pain than this is not acceptable under load
# (Silbernagel 2007, pain-monitoring model).
KNEE_PAIN_IS_RED = 6


class State(IntEnum):
    """Readiness. Ordered, so that the worst of several is their maximum."""

    GREEN = 1
    ORANGE = 2
    RED = 3


class StateName(StrEnum):
    """Readiness, as the rules write it."""

    GREEN = "GREEN"
    ORANGE = "ORANGE"
    RED = "RED"


class Archetype(StrEnum):
    """The kind of session."""

    PERFORMANCE = "PERFORMANCE"
    RECOVERY = "RECOVERY"


class Direction(StrEnum):
    """Which end of a signal's scale is the worse one."""

    HIGHER = "HIGHER"
    LOWER = "LOWER"


# The signals that a check-in holds, and which end of each is the worse one. The rules must grade all of them.
SIGNALS = {"knee_pain": Direction.HIGHER, "energy": Direction.LOWER}


@dataclass(frozen=True)
class Bands:
    """Where a signal changes state: below `lower`, from `lower` to below `upper`, and from `upper` on."""

    worse: Direction
    lower: int
    upper: int

    def problems(self) -> Iterator[tuple[tuple[str, ...], str]]:
        """What the types cannot say: all three bands exist on the scale of 0 to 10."""
        if not SCALE.start < self.lower < self.upper < SCALE.stop:
            yield (
                (),
                f"lower ({self.lower}) and upper ({self.upper}) must satisfy 1 <= lower < upper <= {SCALE.stop - 1}",
            )

    def tightened(self, lower: int, upper: int) -> Self:
        """These bands with the stricter of each pair of bounds."""
        stricter = min if self.worse is Direction.HIGHER else max
        return replace(self, lower=stricter(self.lower, lower), upper=stricter(self.upper, upper))


@dataclass(frozen=True)
class ReadinessRules:
    """All rules of readiness."""

    ruleset: str
    signals: Mapping[str, Bands]
    archetypes: Mapping[StateName, Archetype]

    def problems(self) -> Iterator[tuple[tuple[str, ...], str]]:
        """What the types cannot say: every signal is graded, every state leads on, nothing loosens safety."""
        for name in self.signals:
            if name not in SIGNALS:
                yield ("signals", name), f"unknown signal {name!r}; a check-in has {', '.join(SIGNALS)}"
        for name in SIGNALS:
            if name not in self.signals:
                yield ("signals",), f"signal {name!r} is not graded"
        for state in StateName:
            if state not in self.archetypes:
                yield ("archetypes",), f"state {state.value} leads to no archetype"
        yield from self._loosened()

    def _loosened(self) -> Iterator[tuple[tuple[str, ...], str]]:
        """Rules may tighten what keeps athletes safe, never loosen it."""
        for name, bands in self.signals.items():
            if name in SIGNALS and bands.worse is not SIGNALS[name]:
                yield ("signals", name, "worse"), f"{name} is worse when it is {SIGNALS[name]}"
        knee_pain = self.signals.get("knee_pain")
        if knee_pain is not None and knee_pain.upper > KNEE_PAIN_IS_RED:
            yield ("signals", "knee_pain", "upper"), f"knee pain of {KNEE_PAIN_IS_RED} and more must be RED"
        for better, worse in pairwise(StateName):
            if (
                self.archetypes.get(better) is Archetype.RECOVERY
                and self.archetypes.get(worse) is Archetype.PERFORMANCE
            ):
                yield ("archetypes", worse), f"{worse} must not train harder than {better}"
        if self.archetypes.get(StateName.RED) is Archetype.PERFORMANCE:
            yield ("archetypes", "RED"), "a RED athlete must recover: RED may only lead to RECOVERY"

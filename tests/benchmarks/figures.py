"""Figures of measurements, and what is made of them. Pure."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True)
class Load:
    """What a load generator saw: calls answered and refused, and how long the answered ones took."""

    calls: int
    errors: int
    seconds: float
    p50_ms: float
    p99_ms: float
    unfinished: int = 0
    """Calls that were under way when time was up: work was done for them, and nobody counts them."""

    @property
    def worked_for(self) -> float:
        """How many calls the servers' work was for; of what was under way, a half was done."""
        return max(self.calls - self.errors + self.unfinished / 2, 1)

    @property
    def per_second(self) -> float:
        """Answered calls per second."""
        return (self.calls - self.errors) / self.seconds


@dataclass(frozen=True)
class Round:
    """One operation measured once: one call after the other, then many at once."""

    alone: Load
    busy: Load
    cpu_seconds: Mapping[str, float]
    """What the processes behind the calls took while they were busy, by name."""


@dataclass(frozen=True)
class Figures:
    """One operation of one layer: medians over all rounds."""

    layer: str
    operation: str
    alone_p50_ms: float
    per_second: float
    p50_ms: float
    p99_ms: float
    cpu_ms: Mapping[str, float]
    """Milliseconds of processor time of a call, by the name of the processes."""
    errors: int

    @property
    def all_cpu_ms(self) -> float:
        """Milliseconds of processor time of a call, of all processes."""
        return sum(self.cpu_ms.values())


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least this share of the values does not exceed. There must be a value."""
    return sorted(values)[max(math.ceil(share * len(values)), 1) - 1]


def load_of(latencies_seconds: Sequence[float], errors: int, seconds: float) -> Load:
    """What calls that took so long come to, beside those that failed."""
    p50, p99 = (1000 * percentile(latencies_seconds, share) if latencies_seconds else 0.0 for share in (0.5, 0.99))
    return Load(len(latencies_seconds) + errors, errors, seconds, p50, p99)


def figures_of(layer: str, operation: str, rounds: Sequence[Round]) -> Figures:
    """The medians of rounds. Only answered calls share the processor time."""
    names = dict.fromkeys(name for one in rounds for name in one.cpu_seconds)
    return Figures(
        layer,
        operation,
        median(one.alone.p50_ms for one in rounds),
        median(one.busy.per_second for one in rounds),
        median(one.busy.p50_ms for one in rounds),
        median(one.busy.p99_ms for one in rounds),
        {name: median(1000 * one.cpu_seconds.get(name, 0) / one.busy.worked_for for one in rounds) for name in names},
        sum(one.alone.errors + one.busy.errors for one in rounds),
    )

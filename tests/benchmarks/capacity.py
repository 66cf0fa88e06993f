"""How many athletes a core carries, from what their calls cost. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from tests.benchmarks.figures import Figures


@dataclass(frozen=True)
class Rhythm:
    """What an athlete does in a day, and when everybody does it."""

    calls: Mapping[str, int] = field(
        default_factory=lambda: {"overview": 1, "preview": 1, "start": 1, "set": 20, "complete": 1}
    )
    peak_share: float = 0.5
    """The share of a day's calls that come in its busiest hours."""
    peak_hours: float = 3.0
    utilisation: float = 0.7
    """How much of a core may be busy then."""

    @property
    def calls_of_a_day(self) -> int:
        """Calls of one athlete."""
        return sum(self.calls.values())

    def peak_per_second(self, of_a_day: float) -> float:
        """What comes in each second of the busiest hours, of something that comes to so much in a day."""
        return of_a_day * self.peak_share / (self.peak_hours * 3600)


def cpu_seconds_of_a_day(figures: Iterable[Figures], rhythm: Rhythm) -> dict[str, float]:
    """Seconds of processor time that an athlete's day takes, by the name of the processes.

    Raises KeyError unless every call of the day was measured.
    """
    by_operation = {one.operation: one for one in figures}
    seconds: dict[str, float] = {}
    for operation, calls in rhythm.calls.items():
        for name, milliseconds in by_operation[operation].cpu_ms.items():
            seconds[name] = seconds.get(name, 0) + calls * milliseconds / 1000
    return seconds


def athletes_per_core(cpu_seconds: float, rhythm: Rhythm) -> float:
    """How many athletes one core carries whose day takes so many seconds of it."""
    return rhythm.utilisation / rhythm.peak_per_second(cpu_seconds)


def cores_for(athletes: int, cpu_seconds: float, rhythm: Rhythm) -> float:
    """How many cores so many athletes need."""
    return athletes / athletes_per_core(cpu_seconds, rhythm)

"""The load raised step by step until the stack can take no more, and what it is that cannot."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import psutil

from tests.benchmarks.load import by_http
from tests.benchmarks.topologies import Topology
from tests.benchmarks.traffic import Athletes

CONNECTIONS = (1, 2, 4, 8, 12, 16, 20, 24, 32, 48, 64)
MOST_P99_MS = 500.0
LEAST_GROWTH = 1.03
"""Less is noise."""
DAYS = 800
"""Whole days of athletes in the hand of a step; who gets through them sooner has a shorter step."""
IS_SATURATED = 0.85


@dataclass(frozen=True)
class Step:
    """What so many callers came to who each wait for an answer and then call again."""

    connections: int
    per_second: float
    p50_ms: float
    p99_ms: float
    errors: int
    cores: Mapping[str, float]
    """By name, the share of a core that the busiest process of that name took."""
    machine: float
    """The share of all cores that was busy, whoever it was."""

    @property
    def is_good(self) -> bool:
        """Whether every call was answered, and soon enough."""
        return self.errors == 0 and self.p99_ms <= MOST_P99_MS


def climb(real: Topology, athletes: Athletes, seconds: float, tell: Callable[[str], None]) -> list[Step]:
    """Whole days of many athletes by more and more callers, up to the first step that is not good.

    Raises CannotMeasure.
    """
    by_http(real.url, athletes.days(DAYS // 4), CONNECTIONS[2], seconds, once=True)  # until everything is warm
    steps: list[Step] = []
    for connections in CONNECTIONS:
        tell(f"{connections} at once")
        requests = athletes.days(DAYS)
        psutil.cpu_percent()
        with real.processes.spending() as spent:
            load = by_http(real.url, requests, connections, seconds, once=True)
        machine = psutil.cpu_percent() / 100
        cores: dict[str, float] = {}
        for (name, _), taken in spent.items():
            cores[name] = max(cores.get(name, 0), taken / load.seconds)
        steps.append(Step(connections, load.per_second, load.p50_ms, load.p99_ms, load.errors, cores, machine))
        if not steps[-1].is_good:
            break
    return steps


def knee(steps: Sequence[Step]) -> Step | None:
    """The last step at which everything is good and more load still gives more; None if nothing ever was good."""
    last = None
    for step in steps:
        if not step.is_good:
            break
        if last is None or step.per_second >= LEAST_GROWTH * last.per_second:
            last = step
    return last


def saturated(step: Step) -> str:
    """What cannot give more at a step: a process of which a core is taken, else the machine, else nothing."""
    name, share = max(step.cores.items(), key=lambda item: item[1], default=("nothing", 0.0))
    if share >= IS_SATURATED:
        return f"{name}, which takes {share:.0%} of a core"
    if step.machine >= IS_SATURATED:
        return (
            f"the machine, whose cores are {step.machine:.0%} busy; the busiest part is {name}, {share:.0%} of a core"
        )
    return f"nothing: the busiest part is {name}, {share:.0%} of a core"

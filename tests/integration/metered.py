"""A stack whose metrics can be read, as Prometheus would."""

import time
from collections.abc import Callable, Mapping

import httpx
import psutil
from prometheus_client.parser import text_string_to_metric_families

from shared.walls import SCHEMAS
from tests.conftest import Stack

SERVICES = tuple(SCHEMAS)
PARTS = (*SERVICES, "envoy")

type Samples = Mapping[tuple[str, ...], float]


class Metered:
    """A stack whose metrics can be read."""

    def __init__(self, stack: Stack, port: int) -> None:
        self.stack = stack
        self.ports = {part: port + index for index, part in enumerate(PARTS)}

    def text(self, service: str = "gateway") -> str:
        answer = httpx.get(f"http://127.0.0.1:{self.ports[service]}/metrics")
        assert answer.status_code == 200
        return answer.text

    def samples(self, service: str = "gateway") -> Samples:
        """Every figure by name and labels, in the order of their names."""
        return {
            (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
            for family in text_string_to_metric_families(self.text(service))
            for sample in family.samples
        }

    def since(self, before: Samples, name: str) -> dict[tuple[str, ...], float]:
        """By how much each figure of a name has grown."""
        grown = {key[1:]: value - before.get(key, 0.0) for key, value in self.samples().items() if key[0] == name}
        return {labels: growth for labels, growth in grown.items() if growth}

    def process(self, service: str) -> psutil.Process:
        children = psutil.Process(self.stack.process.pid).children()
        return next(child for child in children if service in child.cmdline())


def eventually(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < until, "it never came to be"
        time.sleep(0.05)

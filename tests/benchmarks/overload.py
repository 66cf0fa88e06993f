"""What is left of a stack's capacity when three and five times as many previews are asked for as it can give.

`uv run python -m tests.benchmarks.overload` prints it; exits with 1 if less than 90 % is left, or if the slowest
hundredth of what is answered takes more than 500 ms. Capacity is counted per second of the stack's own processor time
as well: a machine that does other things too gives other figures every second.
"""

import asyncio
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import psutil
from flux.common.v1.training_pb2 import CheckIn
from flux.session.v1 import session_service_pb2 as pb

from shared.cli.stack import Options, running
from tests.integration.service_helpers import ATHLETE
from tests.tokens import Signer, bearer

PREVIEW = "/flux.session.v1.SessionService/PreviewSession"
REQUEST = pb.PreviewSessionRequest(check_in=CheckIn(knee_pain=2, energy=8)).SerializeToString()
CALLERS = 16
CONNECTIONS = 8
# As the front door allows for a preview.
SECONDS_FOR_A_CALL = 2.0
MEASURED_SECONDS = 10.0
LEAST_SHARE, MOST_SECONDS = 0.9, 0.5


@dataclass
class Outcome:
    """What came of the calls of one measurement."""

    seconds: float
    codes: Counter[str] = field(default_factory=Counter)
    processor_seconds: float = 0
    latencies: list[float] = field(default_factory=list)

    @property
    def per_second(self) -> float:
        """Answered calls per second."""
        return self.codes["OK"] / self.seconds

    @property
    def per_processor_second(self) -> float:
        """Answered calls per second of processor time that the stack took."""
        return self.codes["OK"] / self.processor_seconds

    @property
    def slow(self) -> float:
        """Seconds that the slowest hundredth of the answered calls took at least."""
        return statistics.quantiles(self.latencies, n=100)[98]

    def share_of(self, before: "Outcome", after: "Outcome") -> tuple[float, float]:
        """Answered calls as a share of what was before and after: per second, and per second of processor time."""
        return (
            2 * self.per_second / (before.per_second + after.per_second),
            2 * self.per_processor_second / (before.per_processor_second + after.per_processor_second),
        )


@contextmanager
def processor_time_in(outcome: Outcome) -> Iterator[None]:
    """Notes how much processor time the processes of the stack, which are ours, take meanwhile."""
    stack = psutil.Process().children(recursive=True)

    def taken() -> float:
        return sum(sum(process.cpu_times()[:2]) for process in stack if process.is_running())

    before = taken()
    yield
    outcome.processor_seconds = taken() - before


class Caller:
    """Previews by native gRPC over a few connections."""

    def __init__(self, channels: list[grpc.aio.Channel], metadata: Any) -> None:
        self._calls: list[Any] = [channel.unary_unary(PREVIEW) for channel in channels]
        self._metadata = metadata

    async def closed(self, seconds: float) -> Outcome:
        """As many callers as keep the stack busy, each waiting for its answer."""
        outcome, until = Outcome(seconds), time.monotonic() + seconds

        async def caller(number: int) -> None:
            while time.monotonic() < until:
                await self._call(number, outcome)

        with processor_time_in(outcome):
            await asyncio.gather(*map(caller, range(CALLERS)))
        return outcome

    async def open(self, rate: float, seconds: float) -> Outcome:
        """`rate` calls per second, whatever comes of them."""
        outcome, begun, calls = Outcome(seconds), time.monotonic(), set[asyncio.Task[None]]()
        with processor_time_in(outcome):
            for number in range(int(rate * seconds)):
                await asyncio.sleep(begun + number / rate - time.monotonic())
                calls.add(asyncio.create_task(self._call(number, outcome)))
            await asyncio.gather(*calls)
        return outcome

    async def _call(self, number: int, outcome: Outcome) -> None:
        begun = time.monotonic()
        try:
            call = self._calls[number % len(self._calls)]
            await call(REQUEST, timeout=SECONDS_FOR_A_CALL, metadata=self._metadata)
        except grpc.aio.AioRpcError as error:
            outcome.codes[error.code().name] += 1
        else:
            outcome.codes["OK"] += 1
            outcome.latencies.append(time.monotonic() - begun)


async def measure(address: str, metadata: Any) -> bool:
    """Measures a stack, says what it found, and answers whether that is enough."""
    own = [("grpc.use_local_subchannel_pool", 1)]  # else all channels are one connection
    channels = [grpc.aio.insecure_channel(address, options=own) for _ in range(CONNECTIONS)]
    caller = Caller(channels, metadata)
    await caller.closed(MEASURED_SECONDS / 2)  # until everything is warm
    before, enough = await caller.closed(MEASURED_SECONDS), True
    for multiple in (3, 5):
        outcome = await caller.open(multiple * before.per_second, MEASURED_SECONDS)
        after = await caller.closed(MEASURED_SECONDS)
        share, efficiency = outcome.share_of(before, after)
        print(
            f"capacity {before.per_second:.0f}/s, {after.per_second:.0f}/s afterwards; at {multiple} times that"
            f" {outcome.per_second:.0f}/s answered: {share:.0%}, {efficiency:.0%} per processor second;"
            f" p99 {outcome.slow * 1000:.0f} ms; {dict(outcome.codes)}"
        )
        enough &= max(share, efficiency) >= LEAST_SHARE and outcome.slow <= MOST_SECONDS
        before = after
    for channel in channels:
        await channel.close()
    return enough


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="flux-load-") as folder:
        data_dir = Path(folder) / "data"
        with running(Options("127.0.0.1", 0, data_dir, None), lambda _: None) as (stack, _):
            metadata = tuple(bearer(Signer.of_local_run(data_dir).token(ATHLETE)).items())
            return 0 if asyncio.run(measure(stack.url.removeprefix("http://"), metadata)) else 1


if __name__ == "__main__":
    sys.exit(main())

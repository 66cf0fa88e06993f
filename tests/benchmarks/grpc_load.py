"""Calls one method of a gRPC server as the job on standard input says, and answers what came of it.

A process of its own, so that no server shares its interpreter with who measures it.
"""

import asyncio
import base64
import sys
import time
from itertools import cycle
from typing import Any

import grpc
import msgspec

from tests.benchmarks.figures import Load, load_of

# Each channel is a connection of its own; more of them measure nothing else.
MOST_CHANNELS = 8
CALL_SECONDS = 10.0


class Job(msgspec.Struct):
    """What to call: requests in base64 with their tokens, and how many callers for how long."""

    target: str
    method: str
    calls: list[tuple[str, str]]
    connections: int
    seconds: float


async def run(job: Job) -> Load:
    """Every caller waits for its answer before it calls again."""
    options = (("grpc.use_local_subchannel_pool", 1),)
    channels = [
        grpc.aio.insecure_channel(job.target, options=options) for _ in range(min(job.connections, MOST_CHANNELS))
    ]
    stubs: list[Any] = [channel.unary_unary(job.method) for channel in channels]
    calls = cycle(
        [
            (base64.b64decode(request), (("authorization", f"Bearer {token}"),) if token else ())
            for request, token in job.calls
        ]
    )
    latencies: list[float] = []
    errors = 0

    async def caller(number: int) -> None:
        nonlocal errors
        stub = stubs[number % len(stubs)]
        while (begun := time.perf_counter()) < until:
            request, metadata = next(calls)
            try:
                await stub(request, metadata=metadata, timeout=CALL_SECONDS)
            except grpc.aio.AioRpcError:
                errors += 1
            else:
                latencies.append(time.perf_counter() - begun)

    await asyncio.gather(*(channel.channel_ready() for channel in channels))
    begun = time.perf_counter()
    until = begun + job.seconds
    await asyncio.gather(*map(caller, range(job.connections)))
    took = time.perf_counter() - begun
    for channel in channels:
        await channel.close()
    return load_of(latencies, errors, took)


if __name__ == "__main__":
    answer = asyncio.run(run(msgspec.json.decode(sys.stdin.buffer.read(), type=Job)))
    sys.stdout.write(msgspec.json.encode(answer).decode())

"""Every service is restarted while athletes train, one replica of two at a time, and no call fails."""

import asyncio
import secrets

from tests.faults.run import Run
from tests.faults.stack import SECOND, FaultyStack, Twist, running_stack

ROUNDS = 3
"""How often each of the eight processes is restarted: 24 restarts."""
SETTLE_SECONDS = 2.0
"""How long a replica serves before the next one leaves, so that everybody has found it again."""
ATHLETES = 3
"""Well below what two cores can take while a part of them starts processes: nothing is to be shed."""
SERVICES = ("readiness_svc", "debt_svc", "conditioning_svc", "gateway")
LAME_DUCK = Twist(environment={"FLUX_LAME_DUCK_SECONDS": "1"})


def test_a_rolling_restart_of_every_service_fails_no_call() -> None:
    async def rolling(stack: FaultyStack) -> None:
        for _ in range(ROUNDS):
            for part in stack.services:
                await stack.restart(part)
                await asyncio.sleep(SETTLE_SECONDS)

    async def play(seed: int) -> None:
        lives = {f"{service}{replica}": LAME_DUCK for service in SERVICES for replica in ("", SECOND)}
        async with running_stack(lives, is_twofold=True) as stack:
            run = Run(stack, seed, ATHLETES)
            report = await run.through(lambda: rolling(stack))
            assert set(report.history.answers) == {"OK"}, f"seed {seed}: {report.history.answers}"
            assert (report.findings.broken, stack.dead) == ({}, []), f"seed {seed}"

    asyncio.run(play(secrets.randbelow(1_000_000)))

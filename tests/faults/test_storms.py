"""The promises hold while PostgreSQL crashes, the network misbehaves, tables are locked and clocks are wrong.

No process may end of it, either: parts wait for each other, and find each other again.
"""

import asyncio
import secrets
from collections.abc import Callable
from random import Random

import psycopg

from tests.faults.proxy import Network, Weather
from tests.faults.run import Run
from tests.faults.stack import FaultyStack, Twist, new_stack, running_stack

CRASHES = 10
CHANGES_OF_WEATHER = 40
LOCKS = 4
ANSWERS_BETWEEN = 15
LONGEST_PAUSE_SECONDS = 3.0


def test_promises_survive_crashes_of_postgresql() -> None:
    async def storm(run: Run, stack: FaultyStack) -> None:
        for _ in range(CRASHES):
            await some_answers(run.answers, ANSWERS_BETWEEN)
            await stack.crash_postgres()
            await stack.start_postgres()

    async def play(seed: int) -> None:
        async with running_stack() as stack:
            run = Run(stack, seed)
            report = await run.through(lambda: storm(run, stack))
            assert (report.findings.broken, stack.dead) == ({}, []), f"seed {seed}"

    asyncio.run(play(secrets.randbelow(1_000_000)))


def test_promises_survive_a_network_that_misbehaves() -> None:
    async def storm(run: Run, network: Network, random: Random) -> None:
        for _ in range(CHANGES_OF_WEATHER):
            link = network.links[random.choice(list(network.links))]
            link.set_weather(random.choice([weather for weather in Weather if weather is not Weather.CLEAR]))
            await some_answers(run.answers, random.randint(0, ANSWERS_BETWEEN))
            if random.random() < 0.4:
                network.clear()
        network.clear()

    async def play(seed: int) -> None:
        async with new_stack() as stack:
            network = await Network.of(stack, str(seed))
            await stack.heal()
            run = Run(stack, seed)
            report = await run.through(lambda: storm(run, network, Random(seed)))
            network.close()
            assert (report.findings.broken, stack.dead) == ({}, []), f"seed {seed}"

    asyncio.run(play(secrets.randbelow(1_000_000)))


def test_promises_survive_pools_that_are_used_up() -> None:
    """A table that is locked for longer than a call may take keeps every connection of a pool waiting."""

    async def storm(run: Run, stack: FaultyStack) -> None:
        for table in ("session.sessions", "debt.inbox", "conditioning.inbox", "session.outbox")[:LOCKS]:
            await some_answers(run.answers, ANSWERS_BETWEEN)
            async with await psycopg.AsyncConnection.connect(stack.database_url) as connection:
                await connection.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE".encode())
                await asyncio.sleep(LONGEST_PAUSE_SECONDS)

    async def play(seed: int) -> None:
        async with running_stack() as stack:
            run = Run(stack, seed)
            report = await run.through(lambda: storm(run, stack))
            assert (report.findings.broken, stack.dead) == ({}, []), f"seed {seed}"

    asyncio.run(play(secrets.randbelow(1_000_000)))


def test_promises_survive_wrong_clocks() -> None:
    ahead = {"gateway": 1800.0, "debt_svc": -7200.0, "conditioning_svc": 86_400.0, "readiness_svc": -86_400.0}

    async def play(seed: int) -> None:
        async with running_stack({part: Twist(clock_ahead_seconds=wrong) for part, wrong in ahead.items()}) as stack:
            run = Run(stack, seed)
            report = await run.through(lambda: some_answers(run.answers, 20 * ANSWERS_BETWEEN, patience=60))
            assert (report.findings.broken, stack.dead) == ({}, []), f"seed {seed}"
            assert run.answers() >= ANSWERS_BETWEEN

    asyncio.run(play(secrets.randbelow(1_000_000)))


async def some_answers(answers: Callable[[], int], wanted: int, patience: float = LONGEST_PAUSE_SECONDS) -> None:
    """Waits until so many more calls were answered, or until waiting is pointless."""
    until = answers() + wanted
    for _ in range(int(patience / 0.05)):
        if answers() >= until:
            return
        await asyncio.sleep(0.05)

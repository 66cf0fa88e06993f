"""Every service is updated while athletes train, one replica of two at a time, and no call fails."""

import asyncio
import secrets
from pathlib import Path

import psycopg

from shared.schema_versions import History
from shared.walls import SCHEMAS
from tests import next_version
from tests.faults.run import Run
from tests.faults.stack import SECOND, FaultyStack, Twist, running_stack

SETTLE_SECONDS = 2.0
"""How long a replica serves before the next one leaves, so that everybody has found it again."""
ATHLETES = 3
"""Well below what two cores can take while a part of them starts processes: nothing is to be shed."""
LAME_DUCK = Twist(environment={"FLUX_LAME_DUCK_SECONDS": "1"})


def test_rolling_updates_fail_no_call(tmp_path: Path) -> None:
    """To the next version, back again, and to it once more: 24 restarts, most of them with old and new code mixed."""
    newer = next_version.made(tmp_path / "next")

    async def updates(stack: FaultyStack) -> None:
        for checkout in (newer, next_version.CHECKOUT, newer):
            stack.checkout = checkout
            for part in stack.services:
                await stack.restart(part)
                await asyncio.sleep(SETTLE_SECONDS)

    async def play(seed: int) -> None:
        lives = {f"{service}{replica}": LAME_DUCK for service in SCHEMAS for replica in ("", SECOND)}
        async with running_stack(lives, is_twofold=True) as stack:
            run = Run(stack, seed, ATHLETES)
            report = await run.through(lambda: updates(stack))
            assert report.history.failures == {}, f"seed {seed}: {report.history.answers}"
            assert (report.findings.broken, stack.dead) == ({}, []), f"seed {seed}"
            assert versions(stack.database_url) == {"9001"}

    asyncio.run(play(secrets.randbelow(1_000_000)))


def versions(database_url: str) -> set[str]:
    """The versions that the schemas have."""
    with psycopg.connect(database_url) as connection:
        found = [
            connection.execute(History.of(schema, next_version.migrations_of(package)).question.encode())
            for package, schema in SCHEMAS.items()
        ]
        return {str(row[0]) for cursor in found for row in cursor}

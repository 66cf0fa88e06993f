"""One run: athletes train while there is trouble; then everything heals, and the promises are checked."""

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random
from typing import Any
from uuid import UUID

import grpc
import psycopg

from shared.cli import invariants
from shared.crashpoints import Crashpoint
from tests.faults.history import AthleteHistory, History
from tests.faults.killer import EVERYWHERE, Killer
from tests.faults.promises import Findings, check
from tests.faults.stack import FaultyStack
from tests.faults.workload import Athlete, Caller

ATHLETES = 12
# Ladders end: an athlete at the top shows no effect any more.
SESSIONS_OF_AN_ATHLETE = 8
HEALING_SECONDS = 60.0
NO_PART_FAILS = "no process ends that was not killed"
CHANNEL_OPTIONS = (("grpc.initial_reconnect_backoff_ms", 50), ("grpc.max_reconnect_backoff_ms", 200))


@dataclass
class Report:
    """What happened in a run."""

    seed: int
    history: History = field(default_factory=History)
    kills: Counter[str] = field(default_factory=Counter)
    findings: Findings = field(default_factory=Findings)


class Run:
    """A stack under load."""

    def __init__(self, stack: FaultyStack, seed: int, athletes: int = ATHLETES) -> None:
        self.report = Report(seed)
        self._athletes = athletes
        self._stack = stack
        self._callers: dict[UUID, Caller] = {}

    async def under(
        self, is_enough: Callable[[Counter[str]], bool], points: Mapping[str, Sequence[Crashpoint]] = EVERYWHERE
    ) -> Report:
        """Trains until enough parts were killed, heals, and checks."""
        killer = Killer(self._stack, str(self.report.seed), self.answers, is_enough, points)
        self.report.kills = killer.kills
        await self.through(killer.run)
        self.report.findings.expect(NO_PART_FAILS, not killer.unexpected, "; ".join(killer.unexpected))
        return self.report

    async def through(self, trouble: Callable[[], Coroutine[Any, Any, None]]) -> Report:
        """Trains while there is trouble, heals, and checks."""
        report = self.report
        async with grpc.aio.insecure_channel(self._stack.address, CHANNEL_OPTIONS) as channel:
            troubled = asyncio.create_task(trouble())
            async with asyncio.TaskGroup() as tasks:
                for lane in range(self._athletes):
                    tasks.create_task(self._train(channel, lane, troubled.done))
                await troubled
                await self._stack.heal()
            await self._settle()
            await check(report.history, self._callers, report.findings)
        for outcome in invariants.check_snapshot(self._stack.database_url):
            report.findings.expect(
                outcome.invariant.promise, outcome.count == 0, f"{outcome.count}: {outcome.examples}"
            )
        return report

    def answers(self) -> int:
        """How many calls were answered so far."""
        return self.report.history.answers["OK"]

    async def _train(self, channel: grpc.aio.Channel, lane: int, is_enough: Callable[[], bool]) -> None:
        """One athlete after the other."""
        random = Random(f"{self.report.seed}/athletes/{lane}")
        while not is_enough():
            history = AthleteHistory(UUID(int=random.getrandbits(128), version=4))
            self.report.history.athletes.append(history)
            caller = Caller(channel, self._stack.token(history.athlete_id), self.report.history)
            self._callers[history.athlete_id] = caller
            athlete = Athlete(caller, history, random)
            while len(history.sessions) < SESSIONS_OF_AN_ATHLETE and not is_enough():
                await athlete.train()

    async def _settle(self) -> None:
        """Returns when nothing is on its way any more, or has been for too long."""
        with suppress(TimeoutError):
            async with asyncio.timeout(HEALING_SECONDS):
                while await asyncio.to_thread(self._pending):
                    await asyncio.sleep(0.2)

    def _pending(self) -> int:
        with psycopg.connect(self._stack.database_url) as connection:
            row = connection.execute("SELECT count(*) FROM session.outbox WHERE delivery = 'PENDING'").fetchone()
            assert row is not None
            return int(row[0])

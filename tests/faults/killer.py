"""Kills the parts of a stack, at random moments and at crash points, and starts them again."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from random import Random

from shared.crashpoints import Crashpoint
from tests.faults.stack import FRONT_DOOR, FaultyStack, Life

CONSUMER_POINTS = (Crashpoint.EFFECT_WRITTEN, Crashpoint.EFFECT_COMMITTED)
EVERYWHERE: Mapping[str, Sequence[Crashpoint]] = {
    "gateway": [point for point in Crashpoint if point not in CONSUMER_POINTS],
    **dict.fromkeys(("readiness_svc", "debt_svc", "conditioning_svc"), CONSUMER_POINTS),
}
# A part waits for others to serve, which may be dead too: then it is killed without having served.
START_SECONDS = 10.0
# A part that serves is killed after so long even if nobody is answered: others may be dead.
LONGEST_LIFE_SECONDS = 1.5
LOOK_SECONDS = 0.01


@dataclass(frozen=True)
class Fate:
    """When a part dies: after so many seconds, at a crash point, or when it served through so many answers."""

    seconds: float | None
    answers: int
    crash: tuple[str, int] | None

    @classmethod
    def drawn(cls, random: Random, points: Sequence[Crashpoint]) -> "Fate":
        """One life in ten ends while it starts, and six at a crash point if they come there."""
        kind = random.random()
        seconds = random.uniform(0, 0.3) if kind < 0.1 else None
        crash = (str(random.choice(points)), random.randint(1, 2)) if kind > 0.4 else None
        return cls(seconds, random.randint(60, 90) if crash else random.randint(0, 10), crash)


class Killer:
    """Kills until it was enough, by a seed. `points`: the parts to kill, and the crash points of each."""

    def __init__(
        self,
        stack: FaultyStack,
        seed: str,
        answers: Callable[[], int],
        is_enough: Callable[["Counter[str]"], bool],
        points: Mapping[str, Sequence[Crashpoint]] = EVERYWHERE,
    ) -> None:
        self._stack = stack
        self._seed = seed
        self._answers = answers
        self._is_enough = is_enough
        self._points = points
        self.kills: Counter[str] = Counter()
        self.unexpected: list[str] = []
        """Parts that ended without being killed."""

    async def run(self) -> None:
        """Kills service by service, and now and then everything at once."""
        ending = asyncio.create_task(self._end_everything())
        try:
            await asyncio.gather(*(self._haunt(part, points) for part, points in self._points.items()))
        finally:
            ending.cancel()

    async def _haunt(self, part: str, points: Sequence[Crashpoint]) -> None:
        random = Random(f"{self._seed}/{part}")
        life, fate = self._stack.parts[part], Fate(0.0, 0, None)
        while True:
            self.kills[f"{part}: {await self._death(part, life, fate)}"] += 1
            if self._is_enough(self.kills):
                return
            fate = Fate.drawn(random, points)
            life = self._stack.start(part, fate.crash)

    async def _death(self, part: str, life: Life, fate: Fate) -> str:
        """Returns when the part is dead, and how that came about."""
        with suppress(TimeoutError):
            async with asyncio.timeout(fate.seconds):
                await self._live(life, fate)
        if not life.is_over:
            life.kill()
            await life.end()
            return "at a random moment"
        if life.was_killed:
            return "with everything else"
        if fate.crash is None:
            self.unexpected.append(f"{part} ended by itself")
            return "by itself"
        return fate.crash[0]

    async def _live(self, life: Life, fate: Fate) -> None:
        """Returns when the part has lived as long as is its fate, or died."""
        hangs = time.monotonic() + START_SECONDS
        while not (life.is_over or life.has_said("health: SERVING") or time.monotonic() > hangs):
            await asyncio.sleep(LOOK_SECONDS)
        until, enough = time.monotonic() + LONGEST_LIFE_SECONDS, self._answers() + fate.answers
        while not life.is_over and time.monotonic() < until and self._answers() < enough:
            await asyncio.sleep(LOOK_SECONDS)

    async def _end_everything(self) -> None:
        random = Random(f"{self._seed}/everything")
        due = 0
        while True:
            due += random.randint(20, 60)
            while self.kills.total() < due:
                await asyncio.sleep(LOOK_SECONDS)
            for part in (*self._points, FRONT_DOOR):
                self._stack.parts[part].kill()
            self.kills[f"{FRONT_DOOR}: with everything else"] += 1
            await self._stack.parts[FRONT_DOOR].end()
            self._stack.start(FRONT_DOOR)

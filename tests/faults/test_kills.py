"""The promises hold while processes are killed all the time; and a service that is broken on purpose is found out."""

import asyncio
import secrets
from collections import Counter

import pytest

from shared.crashpoints import Crashpoint
from tests.faults.promises import ONE_EFFECT
from tests.faults.run import Report, Run
from tests.faults.stack import Twist, running_stack

KILLS, MOST_KILLS = 500, 1000
KILLS_OF_A_CONTROL = 5
SESSIONS = 100


def test_every_promise_survives_kills_at_every_moment() -> None:
    seed = secrets.randbelow(1_000_000)
    report = asyncio.run(killed_all_over(seed))
    replay = f"uv run flux faults --kills {KILLS} --seed {seed}"
    assert report.findings.broken == {}, replay
    assert report.kills.total() >= KILLS
    assert never_died_at(report.kills) == [], replay
    completed = sum(bool(session.completed) for _, session in report.history.sessions)
    assert completed == len(report.history.sessions) >= SESSIONS


@pytest.mark.parametrize(
    ("sabotage", "point"), [("no inbox", Crashpoint.EFFECT_COMMITTED), ("no transaction", Crashpoint.EFFECT_WRITTEN)]
)
def test_a_broken_service_is_found_out(sabotage: str, point: Crashpoint) -> None:
    report = asyncio.run(killed_in_conditioning(Twist(sabotage=sabotage), point))
    assert ONE_EFFECT in report.findings.broken


async def killed_all_over(seed: int) -> Report:
    """Kills as often as was promised; more often until enough was trained and died of, but not for ever."""
    async with running_stack() as stack:
        run = Run(stack, seed)

        def is_enough(kills: Counter[str]) -> bool:
            is_whole = len(run.report.history.sessions) >= SESSIONS and not never_died_at(kills)
            return kills.total() >= (KILLS if is_whole else MOST_KILLS)

        return await run.under(is_enough)


def never_died_at(kills: Counter[str]) -> list[Crashpoint]:
    """The crash points at which nothing has died yet."""
    return [point for point in Crashpoint if not any(how.endswith(point) for how in kills)]


async def killed_in_conditioning(twist: Twist, point: Crashpoint) -> Report:
    """Only the service that is broken is killed, and only where it hurts."""
    async with running_stack({"conditioning_svc": twist}) as stack:
        died = f"conditioning_svc: {point}"
        return await Run(stack, 0).under(
            lambda kills: kills[died] >= KILLS_OF_A_CONTROL, {"conditioning_svc": (point,)}
        )

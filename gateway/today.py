"""Where athletes stand, and what they train today: found out in one go for everybody who asks at the same moment.

An answer rests on a look at what the gateway keeps and on calls to three services, and those cost nearly the same for
one athlete and for many. Whoever asks while a round of them is under way is in the next one: what an athlete did before
asking is in it.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from gateway.clients import Services
from gateway.coalescer import Coalescer
from gateway.domain.composition import compose
from gateway.domain.inputs import Inputs, Readiness, Standing, without_conditioning
from gateway.domain.overlay import NO_OVERLAY, OverlayInForce
from gateway.domain.plan import Plan
from gateway.holdings import Holdings
from gateway.rulesets import InForce, Rulesets
from gateway.standings import Standings
from shared.clock import Clock
from shared.errors import DependencyUnavailable
from shared.rpc import deadline

# Composing a plan takes some tenths of a millisecond, and nothing else is answered meanwhile.
MOST_PLANS = 32
MOST_OVERVIEWS = 64
# A round takes some milliseconds. Where a service hangs, it may take a second, and nobody waits behind it for so long.
PATIENCE_SECONDS = 0.1


@dataclass(frozen=True)
class _Wish:
    """A plan that an athlete asks for: how they are, and when; None for the present moment."""

    athlete_id: UUID
    check_in: tuple[tuple[str, int], ...]
    time: datetime | None


type _Graded = tuple[OverlayInForce | None, Readiness]
type _Planned = tuple[Inputs, Plan]


class Today:
    """Asks the services and composes plans. Stores nothing."""

    def __init__(
        self, rulesets: Rulesets, holdings: Holdings, services: Services, standings: Standings, clock: Clock
    ) -> None:
        self._rulesets = rulesets
        self._holdings = holdings
        self._services = services
        self._standings = standings
        self._clock = clock
        self._plans = Coalescer(self._plan_all, MOST_PLANS, PATIENCE_SECONDS)
        self._overviews = Coalescer(self._stand_all, MOST_OVERVIEWS, PATIENCE_SECONDS)

    async def plan(self, athlete_id: UUID, check_in: Mapping[str, int], time: datetime | None = None) -> _Planned:
        """The plan by the rules in force, for now or a moment to come, and what it was made from.

        Raises DependencyUnavailable if readiness or debt does not answer, or while the athlete is being deleted.
        """
        return await self._plans.load(_Wish(athlete_id, tuple(check_in.items()), time), deadline.seconds_left())

    async def standing(self, athlete_id: UUID) -> Standing:
        """Where the athlete stands, as far as services answer; both parts may be missing.

        Raises DependencyUnavailable while the athlete is being deleted, or if the database does not answer.
        """
        return await self._overviews.load(athlete_id, deadline.seconds_left())

    async def _plan_all(self, wishes: Sequence[_Wish], seconds: float) -> list[_Planned | Exception]:
        """The plans, or why there is none; who wishes for the same gets the same."""
        deadline.begin(seconds)
        rules, now = self._rulesets.in_force, self._clock.now()
        times = {wish: wish.time or now for wish in wishes}
        overlays, on_its_way = await self._holdings.of({wish.athlete_id for wish in wishes})
        moments = [(wish.athlete_id, time) for wish, time in times.items()]
        graded, standings = await asyncio.gather(
            self._grade(list(times), overlays, rules),
            self._standings.of(moments, rules.version.parts, on_its_way),
        )
        planned = {
            wish: _planned_or_why_not(wish, time, rules, grades, standing)
            for (wish, time), grades, standing in zip(times.items(), graded, standings, strict=True)
        }
        return [planned[wish] for wish in wishes]

    async def _grade(
        self, wishes: Sequence[_Wish], in_force: Mapping[UUID, OverlayInForce], rules: InForce
    ) -> list[_Graded]:
        """The overlay of each athlete, and the verdict by it."""
        overlays = [in_force.get(wish.athlete_id) for wish in wishes]
        own = [(NO_OVERLAY if overlay is None else overlay.overlay).readiness for overlay in overlays]
        check_ins = [dict(wish.check_in) for wish in wishes]
        verdicts = await self._services.evaluate(
            list(zip(check_ins, own, strict=True)), rules.version.parts["readiness"]
        )
        return list(zip(overlays, verdicts, strict=True))

    async def _stand_all(self, athlete_ids: Sequence[UUID], seconds: float) -> list[Standing | DependencyUnavailable]:
        deadline.begin(seconds)
        now = self._clock.now()
        moments = [(athlete_id, now) for athlete_id in dict.fromkeys(athlete_ids)]
        found = await self._standings.of(moments, self._rulesets.in_force.version.parts)
        standing_of = dict(zip(dict.fromkeys(athlete_ids), found, strict=True))
        return [standing_of[athlete_id] for athlete_id in athlete_ids]


def _planned_or_why_not(
    wish: _Wish, time: datetime, rules: InForce, graded: _Graded, standing: Standing | DependencyUnavailable
) -> _Planned | Exception:
    try:
        return _planned(wish, time, rules, graded, standing)
    except Exception as error:  # noqa: BLE001 - whatever one athlete's plan fails for, the others get theirs
        return error


def _planned(
    wish: _Wish, time: datetime, rules: InForce, graded: _Graded, standing: Standing | DependencyUnavailable
) -> _Planned:
    if isinstance(standing, DependencyUnavailable):
        raise standing
    if standing.ledger is None:
        raise DependencyUnavailable("debt does not answer; retry in a moment", service="debt")
    overlay, readiness = graded
    profile = standing.profile or without_conditioning(rules.nobody)
    inputs = Inputs(dict(wish.check_in), readiness, standing.ledger, profile, rules.stamp, time, overlay)
    return inputs, compose(inputs, rules.session.rules)

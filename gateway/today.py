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

from gateway.coalescer import Coalescer
from gateway.domain.composition import compose
from gateway.domain.inputs import Inputs, Readiness, Standing, without_conditioning
from gateway.domain.overlay import OverlayInForce, own_of
from gateway.domain.plan import Plan
from gateway.holdings import Holdings
from gateway.recent import Recent
from gateway.rulesets import InForce, Rulesets
from gateway.standings import Standings
from gateway.verdicts import Verdicts
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
    """A plan that an athlete asks for: how they are, and when; None for now."""

    athlete_id: UUID
    check_in: tuple[tuple[str, int], ...]
    time: datetime | None


type _Planned = tuple[Inputs, Plan]


class Today:
    """Asks the services and composes plans. Stores nothing."""

    def __init__(
        self, rulesets: Rulesets, holdings: Holdings, verdicts: Verdicts, standings: Standings, clock: Clock
    ) -> None:
        self._rulesets = rulesets
        self._holdings = holdings
        self._verdicts = verdicts
        self._standings = standings
        self._clock = clock
        self._recent = Recent[_Wish, _Planned]()
        self._plans = Coalescer(self._plan_all, MOST_PLANS, PATIENCE_SECONDS)
        self._overviews = Coalescer(self._stand_all, MOST_OVERVIEWS, PATIENCE_SECONDS)

    async def plan(self, athlete_id: UUID, check_in: Mapping[str, int], time: datetime | None = None) -> _Planned:
        """The plan by the rules in force, for now or a moment, and what it was made from.

        Now may be up to a second ago if nothing has moved the athlete since; the inputs say when it was.
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
        different = list(dict.fromkeys(wishes))
        held = await self._holdings.of({wish.athlete_id for wish in different})
        check_ins = [(wish.check_in, own_of(held[wish.athlete_id].overlay).readiness) for wish in different]
        asked = [(wish.athlete_id, wish.time) for wish in different]
        parts = rules.version.parts
        verdicts, standings = await asyncio.gather(
            self._verdicts.of(check_ins, parts["readiness"], now), self._standings.of(asked, now, parts, held)
        )
        planned = {
            wish: self._planned_or_why_not(wish, rules, held[wish.athlete_id].overlay, verdict, standing)
            for wish, verdict, standing in zip(different, verdicts, standings, strict=True)
        }
        return [planned[wish] for wish in wishes]

    def _planned_or_why_not(
        self,
        wish: _Wish,
        rules: InForce,
        overlay: OverlayInForce | None,
        readiness: Readiness,
        standing: Standing | DependencyUnavailable,
    ) -> _Planned | Exception:
        try:
            inputs, now = _inputs(wish, rules, overlay, readiness, standing), self._clock.now()
            planned = self._recent.get(wish, now)
            # The inputs name the rules, so equal ones make equal plans; mostly, they are made of the very same parts.
            if planned is None or planned[0] != inputs:
                planned = inputs, compose(inputs, rules.session.rules)
                self._recent.keep(wish, planned, now)
            return planned
        except Exception as error:  # noqa: BLE001 - whatever one athlete's plan fails for, the others get theirs
            return error

    async def _stand_all(self, athlete_ids: Sequence[UUID], seconds: float) -> list[Standing | DependencyUnavailable]:
        deadline.begin(seconds)
        parts, now = self._rulesets.in_force.version.parts, self._clock.now()
        held = await self._holdings.of(set(athlete_ids))
        return await self._standings.of([(athlete_id, None) for athlete_id in athlete_ids], now, parts, held)


def _inputs(
    wish: _Wish,
    rules: InForce,
    overlay: OverlayInForce | None,
    readiness: Readiness,
    standing: Standing | DependencyUnavailable,
) -> Inputs:
    if isinstance(standing, DependencyUnavailable):
        raise standing
    if standing.ledger is None:
        raise DependencyUnavailable("debt does not answer; retry in a moment", service="debt")
    profile = standing.profile or without_conditioning(rules.nobody)
    return Inputs(dict(wish.check_in), readiness, standing.ledger, profile, rules.stamp, standing.time, overlay)

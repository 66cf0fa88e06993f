"""Looks ahead: the sessions of days to come, each planned from what those before it would have moved."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from uuid import UUID

from gateway.domain.inputs import LedgerFacts, ProfileFacts
from gateway.domain.projection import Calendar, Day, Lived, Told, finish
from gateway.overlays import Overlays
from gateway.planner import Planner
from gateway.rulesets import Rulesets
from gateway.today import Today
from shared.clock import Clock
from shared.errors import DependencyUnavailable, FieldViolation, InvalidRequest


class Projections:
    """Lives days that did not happen. Reads, and changes nothing."""

    def __init__(self, planner: Planner, today: Today, rulesets: Rulesets, overlays: Overlays, clock: Clock) -> None:
        self._planner = planner
        self._today = today
        self._overlays = overlays
        self._rulesets = rulesets
        self._clock = clock

    async def project(
        self, athlete_id: UUID, check_in: Mapping[str, int], calendar: Calendar, trial_watts: int | None
    ) -> list[Lived]:
        """The sessions of a calendar from now on, if each of them is completed as planned.

        Raises InvalidRequest if the watts are not plausible by the rules in force, and DependencyUnavailable.
        """
        parts, now = self._rulesets.in_force.version.parts, self._clock.now()
        overlays, standing = await asyncio.gather(
            self._overlays.in_force([athlete_id]), self._today.standing(athlete_id)
        )
        if standing.ledger is None or standing.profile is None:
            raise DependencyUnavailable("debt or conditioning does not answer; retry in a moment")
        first = Told(check_in, standing.ledger.facts, standing.profile.facts, now, overlay=overlays.get(athlete_id))
        return await self._live(first, [Day(time, check_in) for time in calendar.times(now)], parts, trial_watts)

    async def simulate(self, wanted: str, days: Sequence[Day], trial_watts: int | None) -> list[Lived]:
        """Lives the days of an athlete who never trained, by a ruleset; by the one in force if none is wanted.

        Raises UnknownRules, InvalidRequest if the watts are not plausible by it, and DependencyUnavailable.
        """
        version = await self._rulesets.find(wanted)
        stranger = Told({}, LedgerFacts(), ProfileFacts(), days[0].time)
        return await self._live(stranger, days, version.parts, trial_watts)

    async def _live(
        self, told: Told, days: Sequence[Day], parts: Mapping[str, str], trial_watts: int | None
    ) -> list[Lived]:
        """Lives days one after the other, beginning with what is told of the athlete."""
        rules = (await self._rulesets.session_part(parts["session"])).rules.evidence
        plausible = rules.benchmark_watts
        if trial_watts is not None and not plausible.lowest <= trial_watts <= plausible.highest:
            message = f"must be plausible for a time trial, {plausible.lowest} to {plausible.highest} watts"
            raise InvalidRequest.of([FieldViolation("trial_watts", message, "PLAUSIBLE")])
        lived: list[Lived] = []
        for day in days:
            told = replace(told, check_in=day.check_in, time=day.time)
            ((inputs, plan),) = await self._planner.plans([told], parts)
            completion, moved = finish(day, inputs, plan, rules, trial_watts)
            told = replace(told, ledger=inputs.ledger.facts, profile=inputs.profile.facts, assumed=moved)
            lived.append(Lived(day, inputs, plan, completion))
        return lived

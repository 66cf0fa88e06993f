"""Plans from facts that are told: what was known once, or what would be known on a day that did not happen."""

import asyncio
from collections.abc import Mapping, Sequence

from gateway.clients import Services
from gateway.domain.composition import compose
from gateway.domain.inputs import Inputs, without_conditioning
from gateway.domain.plan import Plan
from gateway.domain.projection import Told
from gateway.rulesets import Rulesets, stamp_of


class Planner:
    """Asks the services what they make of facts, and composes plans of it. Stores nothing."""

    def __init__(self, services: Services, rulesets: Rulesets) -> None:
        self._services = services
        self._rulesets = rulesets

    async def plans(self, told: Sequence[Told], parts: Mapping[str, str]) -> list[tuple[Inputs, Plan]]:
        """The plans for at most 256 tellings, by this version of the rules. Raises UnknownRules, DependencyUnavailable.

        The inputs of a plan hold the facts together with what was assumed on top of them.
        """
        session = await self._rulesets.session_part(parts["session"])
        answers = await asyncio.gather(
            self._services.evaluate([(one.check_in, one.own.readiness) for one in told], parts["readiness"]),
            self._services.rank(told, parts["debt"]),
            self._services.prescribe(told, parts["conditioning"]),
        )
        inputs = [
            Inputs(
                one.check_in,
                state,
                ledger,
                profile if one.is_conditioning_known else without_conditioning(profile),
                stamp_of(session),
                one.time,
                one.overlay,
            )
            for one, state, ledger, profile in zip(told, *answers, strict=True)
        ]
        return [(known, compose(known, session.rules)) for known in inputs]

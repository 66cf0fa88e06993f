"""Where athletes stand, everything that they have earned included."""

import asyncio
from collections.abc import Awaitable
from datetime import datetime
from uuid import UUID

from gateway.clients import Services
from gateway.domain.inputs import Standing
from gateway.domain.session import BenchmarkMeasured, Erased, Event, LevelCompleted, TrainingRecorded
from gateway.outbox import Outbox
from gateway.relay import Relay
from shared.errors import DependencyUnavailable


class Standings:
    """Asks debt and conditioning, and sees to it that they have heard of what athletes did before they answer."""

    def __init__(self, services: Services, outbox: Outbox, relay: Relay) -> None:
        self._services = services
        self._outbox = outbox
        self._relay = relay

    async def of(self, athlete_id: UUID, debt_rules: str, conditioning_rules: str, time: datetime) -> Standing:
        """Where an athlete stands at a moment, as far as services answer.

        What a completion earned is in it, even if its delivery failed at first: an athlete reads their own writes.
        """

        async def ask() -> Standing:
            return Standing(
                *await asyncio.gather(
                    _if_answered(self._services.ledger(athlete_id, debt_rules, time)),
                    _if_answered(self._services.profile(athlete_id, conditioning_rules, time)),
                )
            )

        standing, on_its_way = await asyncio.gather(ask(), self._outbox.on_its_way(athlete_id))
        # A service that does not answer would not take anything either, and waiting for it would cost the answer.
        unheard = [event for event in on_its_way if _answers(standing, event)]
        if not unheard:
            return standing
        await self._relay.deliver(unheard)
        if any(isinstance(event.payload, Erased) for event in on_its_way):
            await self._check_erased(athlete_id)
        return await ask()

    async def _check_erased(self, athlete_id: UUID) -> None:
        """Returns if no service has still to forget the athlete: nothing new may come before that."""
        if any(isinstance(event.payload, Erased) for event in await self._outbox.on_its_way(athlete_id)):
            raise DependencyUnavailable("your data is being deleted; retry in a moment")


def _answers(standing: Standing, event: Event) -> bool:
    match event.payload:
        case TrainingRecorded():
            return standing.ledger is not None
        case LevelCompleted() | BenchmarkMeasured():
            return standing.profile is not None
        case _:
            return True


async def _if_answered[Answer](call: Awaitable[Answer]) -> Answer | None:
    """What a service answers, None if it does not answer at the moment."""
    try:
        return await call
    except DependencyUnavailable:
        return None

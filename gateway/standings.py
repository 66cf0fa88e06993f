"""Where athletes stand, everything that they have earned included."""

import asyncio
from collections.abc import Awaitable, Sequence
from datetime import datetime
from uuid import UUID

from gateway.clients import Services
from gateway.domain.inputs import Standing
from gateway.domain.session import BenchmarkMeasured, Erased, Event, LevelCompleted, LevelFailed, TrainingRecorded
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

        # In this order: what is no longer on its way when that is looked up is in every later answer.
        on_its_way = await self._outbox.on_its_way(athlete_id)
        standing = await ask()
        # A service that does not answer would not take anything either, and waiting for it would cost the answer.
        unheard = [event for event in on_its_way if _answers(standing, event)]
        if not unheard:
            return standing
        await self._relay.deliver(unheard)
        still_on_its_way = await self._outbox.on_its_way(athlete_id)
        if any(isinstance(event.payload, Erased) for event in still_on_its_way):
            raise DependencyUnavailable("your data is being deleted; retry in a moment")
        return _without_the_deaf(await ask(), still_on_its_way)


def _without_the_deaf(standing: Standing, on_its_way: Sequence[Event]) -> Standing:
    """The standing without the answers of services that have not taken in everything: they tell of the past."""
    payloads = [event.payload for event in on_its_way]
    is_ledger_old = any(isinstance(payload, TrainingRecorded) for payload in payloads)
    is_profile_old = any(isinstance(payload, LevelCompleted | LevelFailed | BenchmarkMeasured) for payload in payloads)
    return Standing(
        None if is_ledger_old else standing.ledger,
        None if is_profile_old else standing.profile,
    )


def _answers(standing: Standing, event: Event) -> bool:
    match event.payload:
        case TrainingRecorded():
            return standing.ledger is not None
        case LevelCompleted() | LevelFailed() | BenchmarkMeasured():
            return standing.profile is not None
        case _:
            return True


async def _if_answered[Answer](call: Awaitable[Answer]) -> Answer | None:
    """What a service answers, None if it does not answer at the moment."""
    try:
        return await call
    except DependencyUnavailable:
        return None

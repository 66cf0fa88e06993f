"""Where athletes stand, everything that they have earned included."""

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from gateway.clients import Services
from gateway.domain.inputs import Standing
from gateway.domain.session import BenchmarkMeasured, Erased, Event, LevelCompleted, LevelFailed, TrainingRecorded
from gateway.outbox import Outbox
from gateway.relay import Relay
from shared.errors import DependencyUnavailable

type Moment = tuple[UUID, datetime]
type OnItsWay = Mapping[UUID, Sequence[Event]]


class Standings:
    """Asks debt and conditioning, and sees to it that they have heard of what athletes did before they answer."""

    def __init__(self, services: Services, outbox: Outbox, relay: Relay) -> None:
        self._services = services
        self._outbox = outbox
        self._relay = relay

    async def of(
        self, moments: Sequence[Moment], rules: Mapping[str, str], on_its_way: OnItsWay | None = None
    ) -> list[Standing | DependencyUnavailable]:
        """Where athletes stand, each at a moment, as far as services answer; `rules` by part.

        What a completion earned is in it, even if its delivery failed at first: an athlete reads their own writes.
        `on_its_way`: what was, if that was just looked up.
        """
        # In this order: what is no longer on its way when that is looked up is in every later answer.
        if on_its_way is None:
            on_its_way = await self._outbox.on_its_way({athlete_id for athlete_id, _ in moments})
        standings = await self._ask(moments, rules)
        # A service that does not answer would not take anything either, and waiting for it would cost the answer.
        unheard = {
            event.event_id: event
            for (athlete_id, _), standing in zip(moments, standings, strict=True)
            for event in on_its_way.get(athlete_id, ())
            if _answers(standing, event)
        }
        if not unheard:
            return list(standings)
        await self._relay.deliver(list(unheard.values()))
        athlete_ids = {event.athlete_id for event in unheard.values()}
        again = [moment for moment in moments if moment[0] in athlete_ids]
        # What came to be since is not theirs to have read: it is being delivered by whoever made it.
        still_on_its_way = {
            athlete_id: [event for event in events if event.event_id in unheard]
            for athlete_id, events in (await self._outbox.on_its_way(athlete_ids)).items()
        }
        heard = dict(zip(again, await self._ask(again, rules), strict=True))
        return [
            _without_the_deaf(heard[moment], still_on_its_way.get(moment[0], ())) if moment in heard else standing
            for moment, standing in zip(moments, standings, strict=True)
        ]

    async def _ask(self, moments: Sequence[Moment], rules: Mapping[str, str]) -> list[Standing]:
        nothing = [None] * len(moments)
        ledgers, profiles = await asyncio.gather(
            _if_answered(self._services.ledgers(moments, rules["debt"])),
            _if_answered(self._services.profiles(moments, rules["conditioning"])),
        )
        return [Standing(*known) for known in zip(ledgers or nothing, profiles or nothing, strict=True)]


def _without_the_deaf(standing: Standing, on_its_way: Sequence[Event]) -> Standing | DependencyUnavailable:
    """The standing without the answers of services that have not taken in everything: they tell of the past."""
    payloads = [event.payload for event in on_its_way]
    if any(isinstance(payload, Erased) for payload in payloads):
        return DependencyUnavailable("your data is being deleted; retry in a moment")
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


async def _if_answered[Answer](call: Awaitable[list[Answer]]) -> list[Answer] | None:
    """What a service answers, None if it does not answer at the moment."""
    try:
        return await call
    except DependencyUnavailable:
        return None

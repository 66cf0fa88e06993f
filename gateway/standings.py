"""Where athletes stand, everything that they have earned included.

Who asks again within a second is told the same again, as long as nothing has moved them: whatever does is known here
before the services hear of it.
"""

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from gateway.clients import Services
from gateway.domain.inputs import Standing
from gateway.domain.session import BenchmarkMeasured, Erased, Event, LevelCompleted, LevelFailed, TrainingRecorded
from gateway.holdings import Held
from gateway.outbox import Outbox
from gateway.recent import Recent
from gateway.relay import Relay
from shared.errors import DependencyUnavailable

type Moment = tuple[UUID, datetime]
type Asked = tuple[UUID, datetime | None]
"""An athlete, and a moment, None for now."""
type _Key = tuple[UUID, UUID | None, str, str]


class Standings:
    """Asks debt and conditioning, and sees to it that they have heard of what athletes did before they answer."""

    def __init__(self, services: Services, outbox: Outbox, relay: Relay) -> None:
        self._services = services
        self._outbox = outbox
        self._relay = relay
        self._recent = Recent[_Key, Standing]()

    async def of(
        self, asked: Sequence[Asked], now: datetime, rules: Mapping[str, str], held: Mapping[UUID, Held]
    ) -> list[Standing | DependencyUnavailable]:
        """Where athletes stand, as far as services answer; `rules` by part, `held` as it was just looked up.

        What a completion earned is in it, even if its delivery failed at first: an athlete reads their own writes.
        """
        keys = {one: key for one in asked if (key := _key(one, rules, held[one[0]])) is not None}
        found: dict[Asked, Standing | DependencyUnavailable] = {
            one: known for one, key in keys.items() if (known := self._recent.get(key, now)) is not None
        }
        unknown = [one for one in dict.fromkeys(asked) if one not in found]
        if unknown:
            moments = [(athlete_id, time or now) for athlete_id, time in unknown]
            for one, standing in zip(unknown, await self._look_up(moments, rules, held), strict=True):
                found[one] = standing
                if one in keys and isinstance(standing, Standing) and not standing.degraded:
                    self._recent.keep(keys[one], standing, now)
        return [found[one] for one in asked]

    async def _look_up(
        self, moments: Sequence[Moment], rules: Mapping[str, str], held: Mapping[UUID, Held]
    ) -> list[Standing | DependencyUnavailable]:
        # What was no longer on its way when that was looked up is in every answer from then on.
        standings = await self._ask(moments, rules)
        # A service that does not answer would not take anything either, and waiting for it would cost the answer.
        unheard = {
            event.event_id: event
            for (athlete_id, _), standing in zip(moments, standings, strict=True)
            for event in held[athlete_id].on_its_way
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
        times = [time for _, time in moments]
        return [Standing(*known) for known in zip(times, ledgers or nothing, profiles or nothing, strict=True)]


def _key(asked: Asked, rules: Mapping[str, str], held: Held) -> _Key | None:
    """What the standing of now rests on; None if that is about to change, or if another moment is asked for."""
    athlete_id, time = asked
    if time is not None or held.on_its_way:
        return None
    return athlete_id, held.last_event, rules["debt"], rules["conditioning"]


def _without_the_deaf(standing: Standing, on_its_way: Sequence[Event]) -> Standing | DependencyUnavailable:
    """The standing without the answers of services that have not taken in everything: they tell of the past."""
    payloads = [event.payload for event in on_its_way]
    if any(isinstance(payload, Erased) for payload in payloads):
        return DependencyUnavailable("your data is being deleted; retry in a moment")
    is_ledger_old = any(isinstance(payload, TrainingRecorded) for payload in payloads)
    is_profile_old = any(isinstance(payload, LevelCompleted | LevelFailed | BenchmarkMeasured) for payload in payloads)
    return replace(
        standing,
        ledger=None if is_ledger_old else standing.ledger,
        profile=None if is_profile_old else standing.profile,
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

"""The use cases of benchmarks: set one, look at all."""

import asyncio
from uuid import UUID

from gateway import page_tokens
from gateway.clients import Services
from gateway.domain.benchmarks import BenchmarkPage, BenchmarkRecord, Claim, Recorded
from gateway.domain.session import BenchmarkMeasured, Delivery, Event
from gateway.outbox import Outbox
from gateway.relay import Relay
from gateway.rulesets import Rulesets
from shared.clock import Clock
from shared.errors import DependencyUnavailable


class Benchmarks:
    """The benchmarks of athletes. The event that carries one is also what tells a retry from another benchmark."""

    def __init__(self, *, rulesets: Rulesets, services: Services, outbox: Outbox, relay: Relay, clock: Clock) -> None:
        self._rulesets = rulesets
        self._services = services
        self._outbox = outbox
        self._relay = relay
        self._clock = clock

    async def record(self, athlete_id: UUID, claim: Claim) -> Recorded:
        """Keeps a benchmark that the athlete set, and tries at once to deliver it.

        Raises InvalidRequest, BenchmarkIdReused, DependencyUnavailable.
        """
        event_id = claim.event_id(athlete_id)
        kept = await self._outbox.find(athlete_id, event_id)
        replayed = kept is not None
        if kept is None:
            event = Event(event_id, athlete_id, claim.benchmark_id, self._measured(claim))
            kept = await self._outbox.put_new(event)
            replayed = kept is None
            kept = kept or await self._outbox.find(athlete_id, event_id)
        if kept is None:
            raise DependencyUnavailable("your data is being deleted; retry in a moment")
        assert isinstance(kept.payload, BenchmarkMeasured)  # noqa: S101 - the id is made of what it is
        claim.check_same(kept.payload)
        delivery = await self._delivery(kept)
        if delivery is Delivery.PENDING:
            await self._relay.deliver([kept])
            delivery = await self._delivery(kept)
        return Recorded(await self._as_kept(kept, kept.payload, delivery), delivery, replayed)

    async def page(self, athlete_id: UUID, page_size: int, page_token: str) -> BenchmarkPage:
        """Benchmarks, newest first, those on their way included; `page_size` 0 means the default.

        Raises InvalidPageToken, DependencyUnavailable.
        """
        size = page_size or page_tokens.DEFAULT_PAGE_SIZE
        place = page_tokens.read(page_token) if page_token else None
        found, on_its_way = await asyncio.gather(
            self._list(athlete_id, size + 1, place), self._outbox.on_its_way([athlete_id])
        )
        unheard = [event for event in on_its_way.get(athlete_id, ()) if isinstance(event.payload, BenchmarkMeasured)]
        if unheard:
            await self._relay.deliver(unheard)
            found = await self._list(athlete_id, size + 1, place)
        token = page_tokens.write(found[size].measured_time, found[size].benchmark_id) if len(found) > size else ""
        return BenchmarkPage(tuple(found[:size]), token)

    async def _delivery(self, event: Event) -> Delivery:
        return (await self._outbox.deliveries(event.athlete_id, event.session_id))[event.event_id]

    def _measured(self, claim: Claim) -> BenchmarkMeasured:
        rules = self._rulesets.in_force
        plausible = rules.session.rules.evidence.benchmark_watts
        return claim.measured(
            rules.documents["conditioning"], rules.version.parts["conditioning"], plausible, self._clock.now()
        )

    async def _as_kept(self, event: Event, measured: BenchmarkMeasured, delivery: Delivery) -> BenchmarkRecord:
        """The benchmark as conditioning has it, if it does."""
        own = BenchmarkRecord.on_its_way(event.session_id, measured)
        if delivery is not Delivery.APPLIED:
            return own
        try:
            found = await self._list(event.athlete_id, 1, (own.measured_time, own.benchmark_id))
        except DependencyUnavailable:
            return own
        return next((one for one in found if one.benchmark_id == own.benchmark_id), own)

    async def _list(self, athlete_id: UUID, limit: int, place: page_tokens.Place | None) -> list[BenchmarkRecord]:
        rules = self._rulesets.in_force.version.parts["conditioning"]
        return await self._services.benchmarks(athlete_id, limit, place, rules, self._clock.now())

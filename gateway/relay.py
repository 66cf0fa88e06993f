"""Delivers events to the services that they are for: at once when somebody waits, again and again when that failed."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

import grpc

from gateway.clients import Services
from gateway.domain.session import (
    BenchmarkMeasured,
    CheckInRecorded,
    CheckInsErased,
    Delivery,
    Event,
    LedgerErased,
    LevelCompleted,
    LevelFailed,
    ProfileErased,
    TrainingRecorded,
)
from gateway.outbox import Outbox
from shared.crashpoints import Crashpoint, reach
from shared.errors import DependencyUnavailable, FluxError

BATCH = 64
IDLE_SECONDS = 1.0

_log = logging.getLogger(__name__)

type Send = Callable[[Sequence[tuple[Event, Any]]], Awaitable[None]]


class Relay:
    """Moves events from the outbox to the services. Every gateway runs one; they do not get in each other's way."""

    def __init__(self, outbox: Outbox, services: Services) -> None:
        self._outbox = outbox
        self._work = asyncio.Event()
        self._routes: tuple[tuple[tuple[type, ...], Send], ...] = (
            ((CheckInRecorded,), services.record_check_ins),
            ((TrainingRecorded,), services.record_training),
            # Benchmark and level of one time trial travel together.
            ((LevelCompleted, LevelFailed, BenchmarkMeasured), services.record_conditioning),
            ((CheckInsErased,), partial(services.erase, "readiness")),
            ((LedgerErased,), partial(services.erase, "debt")),
            ((ProfileErased,), partial(services.erase, "conditioning")),
        )

    def wake(self) -> None:
        """Says that there may be something to deliver."""
        self._work.set()

    async def run(self) -> None:
        """Delivers what is due until cancelled."""
        while True:
            try:
                events = await self._outbox.hold_due(BATCH)
                if events:
                    reach(Crashpoint.EVENTS_HELD)
                await self.deliver(events)
            except FluxError as error:
                _log.warning("events wait: %s", error.message)
                events = []
            if not events:
                self._work.clear()
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._work.wait(), IDLE_SECONDS)

    async def deliver(self, events: Sequence[Event]) -> None:
        """Tries once to deliver events that the caller holds, and notes what came of it. Never raises for a failure."""
        routed = [[event for event in events if isinstance(event.payload, shapes)] for shapes, _ in self._routes]
        sends = [send for _, send in self._routes]
        await asyncio.gather(*(self._send(send, group) for send, group in zip(sends, routed, strict=True) if group))

    async def _send(self, send: Send, events: Sequence[Event]) -> None:
        event_ids = [event.event_id for event in events]
        try:
            await send([(event, event.payload) for event in events])
            reach(Crashpoint.EVENTS_APPLIED)
            await self._outbox.settle(event_ids, Delivery.APPLIED)
        except DependencyUnavailable as error:
            _log.warning("%d events wait: %s", len(events), error.message)
            with suppress(DependencyUnavailable):  # then they are let go when the hold ends
                await self._outbox.let_go(event_ids)
        except grpc.aio.AioRpcError as error:
            await self._bury_or_split(send, events, error)

    async def _bury_or_split(self, send: Send, events: Sequence[Event], error: grpc.aio.AioRpcError) -> None:
        """A batch that is refused for good is tried one by one, so that only the culprit is buried."""
        if len(events) > 1:
            for event in events:
                await self._send(send, [event])
            return
        _log.error("event %s was refused for good (%s): this is a bug", events[0].event_id, error.code().name)
        with suppress(DependencyUnavailable):  # then it is tried, refused and buried once more
            await self._outbox.settle([events[0].event_id], Delivery.DEAD)

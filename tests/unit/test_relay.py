"""The relay: what becomes of an event that is delivered, not answered, or refused."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Any, cast
from uuid import UUID

import grpc
import pytest

from gateway.domain.plan import Protocol
from gateway.domain.session import (
    BenchmarkMeasured,
    CheckInsErased,
    Delivery,
    Event,
    LedgerErased,
    LevelCompleted,
    Payload,
    ProfileErased,
    TrainingRecorded,
)
from gateway.relay import Relay
from shared.errors import DependencyUnavailable
from tests.unit.builders import ATHLETE, BIKE, NOW

LEVEL = LevelCompleted(Protocol.HIIT, 1, 0, NOW)
BENCHMARK = BenchmarkMeasured(Protocol.HIIT, BIKE, 250, NOW)

type Answer = Callable[[list[int]], None]


def training(number: int) -> Event:
    return event(number, TrainingRecorded(number, ("SQUAT",), NOW))


def event(number: int, payload: Payload) -> Event:
    return Event(UUID(int=number), ATHLETE, UUID(int=1), payload)


class Ledgerbook:
    """Notes what becomes of events, unless the database is gone."""

    def __init__(self, *, reachable: bool = True) -> None:
        self.settled: dict[int, Delivery] = {}
        self.let_go_again: set[int] = set()
        self._reachable = reachable

    async def settle(self, event_ids: Iterable[UUID], delivery: Delivery) -> None:
        self._reach()
        self.settled |= {event_id.int: delivery for event_id in event_ids}

    async def let_go(self, event_ids: Iterable[UUID]) -> None:
        self._reach()
        self.let_go_again |= {event_id.int for event_id in event_ids}

    def _reach(self) -> None:
        if not self._reachable:
            raise DependencyUnavailable("the database does not answer")


class Receivers:
    """The services: each batch is answered by a function that may raise."""

    def __init__(self, answer: Answer) -> None:
        self.batches: list[tuple[str, list[int]]] = []
        self._answer = answer

    async def record_check_ins(self, events: Sequence[tuple[Event, Any]]) -> None:
        self._receive("readiness", events)

    async def record_training(self, events: Sequence[tuple[Event, Any]]) -> None:
        self._receive("debt", events)

    async def record_conditioning(self, events: Sequence[tuple[Event, Any]]) -> None:
        self._receive("conditioning", events)

    async def erase(self, service: str, events: Sequence[tuple[Event, Any]]) -> None:
        self._receive(f"{service} forgets", events)

    def _receive(self, service: str, events: Sequence[tuple[Event, Any]]) -> None:
        numbers = [event.event_id.int for event, _ in events]
        self.batches.append((service, numbers))
        self._answer(numbers)


def fine(_: list[int]) -> None:
    return None


def gone(_: list[int]) -> None:
    raise DependencyUnavailable("debt does not answer")


def refusing(culprit: int) -> Answer:
    def answer(numbers: list[int]) -> None:
        if culprit in numbers:
            nothing = grpc.aio.Metadata()
            raise grpc.aio.AioRpcError(grpc.StatusCode.INVALID_ARGUMENT, nothing, nothing, "no")

    return answer


def deliver(events: Sequence[Event], answer: Answer, book: Ledgerbook | None = None) -> tuple[Ledgerbook, Receivers]:
    book, receivers = book or Ledgerbook(), Receivers(answer)

    async def run() -> None:
        await Relay(cast("Any", book), cast("Any", receivers)).deliver(events)

    asyncio.run(run())
    return book, receivers


def test_delivered_events_are_applied() -> None:
    book, receivers = deliver([training(1), training(2)], fine)
    assert receivers.batches == [("debt", [1, 2])]
    assert book.settled == {1: Delivery.APPLIED, 2: Delivery.APPLIED}


def test_each_service_gets_its_own_events_in_one_call() -> None:
    erasures = [event(4, CheckInsErased(NOW)), event(5, LedgerErased(NOW)), event(6, ProfileErased(NOW))]
    _, receivers = deliver([training(1), event(2, LEVEL), event(3, BENCHMARK), *erasures], fine)
    assert sorted(receivers.batches) == [
        ("conditioning", [2, 3]),
        ("conditioning forgets", [6]),
        ("debt", [1]),
        ("debt forgets", [5]),
        ("readiness forgets", [4]),
    ]


def test_nothing_to_deliver_calls_nobody() -> None:
    _, receivers = deliver([], fine)
    assert receivers.batches == []


def test_events_for_a_service_that_does_not_answer_are_let_go() -> None:
    book, _ = deliver([training(1), training(2)], gone)
    assert (book.settled, book.let_go_again) == ({}, {1, 2})


def test_only_the_event_that_is_refused_is_buried() -> None:
    book, receivers = deliver([training(1), training(2), training(3)], refusing(2))
    assert book.settled == {1: Delivery.APPLIED, 2: Delivery.DEAD, 3: Delivery.APPLIED}
    assert receivers.batches == [("debt", [1, 2, 3]), ("debt", [1]), ("debt", [2]), ("debt", [3])]


def test_burial_is_loud(caplog: pytest.LogCaptureFixture) -> None:
    deliver([training(1)], refusing(1))
    assert f"event {UUID(int=1)} was refused for good" in caplog.text


@pytest.mark.parametrize("answer", [fine, gone, refusing(1)], ids=["delivered", "not answered", "refused"])
@pytest.mark.parametrize("count", [1, 2])
def test_delivering_never_raises_when_the_database_is_gone(answer: Answer, count: int) -> None:
    book, _ = deliver([training(number) for number in range(1, count + 1)], answer, Ledgerbook(reachable=False))
    assert book.settled == {}

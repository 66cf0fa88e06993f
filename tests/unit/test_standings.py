"""Standings: what an athlete did before asking is in the answer, and what happens meanwhile is in nobody's way."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, cast
from uuid import UUID

import pytest

from gateway.domain.inputs import ConditioningProfile, Ledger, Standing
from gateway.domain.session import Event, LedgerErased, Payload, TrainingRecorded
from gateway.standings import Standings
from shared.errors import DependencyUnavailable
from tests.unit.builders import ATHLETE, NOW, inputs

KNOWN = inputs()
RULES = {"debt": "d", "conditioning": "c"}
TRAINED = TrainingRecorded(1, ("SQUAT",), NOW)


class Engine:
    """The outbox, the relay and the services: events are on their way until the relay gets them delivered."""

    def __init__(self, *events: Event, reachable: bool = True, meanwhile: Sequence[Event] = ()) -> None:
        self.pending = {event.event_id: event for event in events}
        self._reachable = reachable
        self._meanwhile = meanwhile

    async def on_its_way(self, athlete_ids: Collection[UUID]) -> dict[UUID, list[Event]]:
        return {ATHLETE: list(self.pending.values())} if self.pending else {}

    async def deliver(self, events: Sequence[Event]) -> None:
        if self._reachable:
            for event in events:
                del self.pending[event.event_id]
        self.pending |= {event.event_id: event for event in self._meanwhile}

    async def ledgers(self, moments: Sequence[tuple[UUID, datetime]], rules: str) -> list[Ledger]:
        return [KNOWN.ledger for _ in moments]

    async def profiles(self, moments: Sequence[tuple[UUID, datetime]], rules: str) -> list[ConditioningProfile]:
        return [KNOWN.profile for _ in moments]

    def standing(self) -> Standing | DependencyUnavailable:
        me: Any = self
        standings = Standings(me, me, me)
        (found,) = asyncio.run(standings.of([(ATHLETE, NOW)], cast("Mapping[str, str]", RULES)))
        return found


def event(number: int, payload: Payload = TRAINED) -> Event:
    return Event(UUID(int=number), ATHLETE, UUID(int=1), payload)


def test_what_was_on_its_way_is_delivered_before_the_answer() -> None:
    engine = Engine(event(1), event(2))
    assert engine.standing() == Standing(KNOWN.ledger, KNOWN.profile)
    assert engine.pending == {}


def test_a_ledger_that_lacks_what_was_done_is_not_told() -> None:
    assert Engine(event(1), reachable=False).standing() == Standing(None, KNOWN.profile)


@pytest.mark.parametrize("payload", [TRAINED, LedgerErased(NOW)], ids=lambda payload: type(payload).__name__)
def test_what_happens_meanwhile_takes_nothing_from_the_answer(payload: Payload) -> None:
    assert Engine(event(1), meanwhile=[event(2, payload)]).standing() == Standing(KNOWN.ledger, KNOWN.profile)


def test_who_is_being_deleted_is_told_so() -> None:
    found = Engine(event(1, LedgerErased(NOW)), reachable=False).standing()
    assert str(found) == "your data is being deleted; retry in a moment"

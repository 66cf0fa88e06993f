"""Standings: what an athlete did before asking is in the answer, and what happens meanwhile is in nobody's way."""

import asyncio
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from gateway.domain.inputs import ConditioningProfile, Ledger, Standing
from gateway.domain.session import Event, LedgerErased, Payload, TrainingRecorded
from gateway.holdings import Held
from gateway.recent import RECENT
from gateway.standings import Standings
from shared.errors import DependencyUnavailable
from tests.unit.builders import ATHLETE, NOW, inputs

KNOWN = inputs()
RULES = {"debt": "d", "conditioning": "c"}
TRAINED = TrainingRecorded(1, ("SQUAT",), NOW)
SOON, LATER = RECENT / 2, 2 * RECENT


class Engine:
    """The gateway's database, the relay and the services: events are on their way until they are delivered."""

    def __init__(self, *events: Event, reachable: bool = True, meanwhile: Sequence[Event] = ()) -> None:
        self.pending = {event.event_id: event for event in events}
        self.last_event: UUID | None = None
        self.rules = RULES
        self.profile: ConditioningProfile | None = KNOWN.profile
        self.asked: list[datetime] = []
        self._reachable = reachable
        self._meanwhile = meanwhile
        me: Any = self
        self._standings = Standings(me, me, me)

    async def on_its_way(self, athlete_ids: Collection[UUID]) -> dict[UUID, list[Event]]:
        return {ATHLETE: list(self.pending.values())} if self.pending else {}

    async def deliver(self, events: Sequence[Event]) -> None:
        if self._reachable:
            for event in events:
                del self.pending[event.event_id]
        self.pending |= {event.event_id: event for event in self._meanwhile}

    async def ledgers(self, moments: Sequence[tuple[UUID, datetime]], rules: str) -> list[Ledger]:
        self.asked += [time for _, time in moments]
        return [KNOWN.ledger for _ in moments]

    async def profiles(self, moments: Sequence[tuple[UUID, datetime]], rules: str) -> list[ConditioningProfile]:
        if self.profile is None:
            raise DependencyUnavailable("conditioning does not answer")
        return [self.profile for _ in moments]

    def standing(
        self, later: timedelta = timedelta(), time: datetime | None = None
    ) -> Standing | DependencyUnavailable:
        held = {ATHLETE: Held(on_its_way=tuple(self.pending.values()), last_event=self.last_event)}
        (found,) = asyncio.run(self._standings.of([(ATHLETE, time)], NOW + later, self.rules, held))
        return found


def event(number: int, payload: Payload = TRAINED) -> Event:
    return Event(UUID(int=number), ATHLETE, UUID(int=1), payload)


def test_what_was_on_its_way_is_delivered_before_the_answer() -> None:
    engine = Engine(event(1), event(2))
    assert engine.standing() == Standing(NOW, KNOWN.ledger, KNOWN.profile)
    assert engine.pending == {}


def test_a_ledger_that_lacks_what_was_done_is_not_told() -> None:
    assert Engine(event(1), reachable=False).standing() == Standing(NOW, None, KNOWN.profile)


@pytest.mark.parametrize("payload", [TRAINED, LedgerErased(NOW)], ids=lambda payload: type(payload).__name__)
def test_what_happens_meanwhile_takes_nothing_from_the_answer(payload: Payload) -> None:
    engine = Engine(event(1), meanwhile=[event(2, payload)])
    assert engine.standing() == Standing(NOW, KNOWN.ledger, KNOWN.profile)


def test_who_is_being_deleted_is_told_so() -> None:
    found = Engine(event(1, LedgerErased(NOW)), reachable=False).standing()
    assert str(found) == "your data is being deleted; retry in a moment"


def test_who_asks_again_within_a_second_is_told_the_same_and_when_it_was_so() -> None:
    engine = Engine()
    assert engine.standing() is engine.standing(SOON)
    assert engine.asked == [NOW]


def test_after_a_second_the_services_are_asked_again() -> None:
    engine = Engine()
    engine.standing()
    assert engine.standing(LATER) == Standing(NOW + LATER, KNOWN.ledger, KNOWN.profile)


def test_whoever_was_moved_since_is_asked_for_again() -> None:
    engine = Engine()
    engine.standing()
    engine.last_event = UUID(int=1)
    engine.standing(SOON)
    assert engine.asked == [NOW, NOW + SOON]


def test_rules_that_were_put_in_force_since_are_asked_for_again() -> None:
    engine = Engine()
    engine.standing()
    engine.rules = RULES | {"conditioning": "another"}
    engine.standing(SOON)
    assert engine.asked == [NOW, NOW + SOON]


def test_what_is_known_of_now_is_not_told_of_another_moment() -> None:
    engine = Engine()
    engine.standing()
    assert engine.standing(SOON, NOW) == Standing(NOW, KNOWN.ledger, KNOWN.profile)
    assert engine.standing(SOON, NOW + LATER) == Standing(NOW + LATER, KNOWN.ledger, KNOWN.profile)
    assert engine.asked == [NOW, NOW, NOW + LATER]


def test_what_was_found_while_something_was_on_its_way_is_not_told_again() -> None:
    engine = Engine(event(1), event(2))
    engine.standing()
    asked = len(engine.asked)
    engine.standing(SOON)
    assert engine.asked[asked:] == [NOW + SOON]


def test_what_lacks_something_is_not_told_again() -> None:
    engine = Engine()
    engine.profile = None
    assert engine.standing() == Standing(NOW, KNOWN.ledger, None)
    engine.profile = KNOWN.profile
    assert engine.standing(SOON) == Standing(NOW + SOON, KNOWN.ledger, KNOWN.profile)

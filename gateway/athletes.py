"""The use cases about everything of one athlete: taking it out, taking it in, forgetting it."""

from collections.abc import AsyncIterator, Callable, Iterable
from datetime import datetime
from uuid import UUID

from gateway import records
from gateway.athlete_store import AthleteStore
from gateway.domain.session import CheckInsErased, Event, LedgerErased, ProfileErased


class Athletes:
    """Everything about athletes, one at a time."""

    def __init__(self, store: AthleteStore, new_id: Callable[[], UUID]) -> None:
        self._store = store
        self._new_id = new_id

    async def export(self, athlete_id: UUID) -> AsyncIterator[str]:
        """Everything about an athlete as lines of NDJSON. Raises DependencyUnavailable."""
        count = 0
        async for record in self._store.export(athlete_id):
            count += 1
            yield records.write(record)
        yield records.write(records.EndRecord(records=count))

    async def restore(self, athlete_id: UUID, lines: Iterable[str]) -> int:
        """Takes in lines of an export, for an athlete of whom nothing is kept; answers how many sessions there are.

        What other services keep follows from the events, as it did the first time. Raises InvalidRecords,
        AthleteNotEmpty, DependencyUnavailable.
        """
        found = records.renewed(records.read(lines), self._new_id)
        await self._store.restore(athlete_id, found)
        return len(found.sessions)

    async def erase(self, athlete_id: UUID) -> tuple[Event, ...]:
        """Forgets an athlete here; answers the events by which the services will too. Raises DependencyUnavailable."""
        return await self._store.erase(athlete_id, lambda moment: self._erasures(athlete_id, moment))

    def _erasures(self, athlete_id: UUID, moment: datetime) -> list[Event]:
        payloads = (CheckInsErased(moment), LedgerErased(moment), ProfileErased(moment))
        # There is no session any more; the athlete's id stands in its place.
        return [Event(self._new_id(), athlete_id, athlete_id, payload) for payload in payloads]

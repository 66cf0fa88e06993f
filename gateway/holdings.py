"""What the gateway itself keeps of athletes that their plans rest on, looked up in one round trip."""

from collections.abc import Collection
from uuid import UUID

from gateway import outbox, overlay_store
from gateway.domain.overlay import OverlayInForce
from gateway.domain.session import Event
from shared.db import AsyncDatabase
from shared.walls import Sight


class Holdings:
    """Looks up overlays and what is on its way. Changes nothing."""

    def __init__(self, database: AsyncDatabase) -> None:
        self._database = database

    async def of(self, athlete_ids: Collection[UUID]) -> tuple[dict[UUID, OverlayInForce], dict[UUID, list[Event]]]:
        """The overlays in force, and what no service has applied yet, of those who have any.

        Raises DependencyUnavailable.
        """
        overlays, events = await self._database.fetch(
            Sight.of(athlete_ids), overlay_store.last_of(athlete_ids), outbox.on_its_way_of(athlete_ids)
        )
        return overlay_store.in_force(overlays), outbox.by_athlete(events)

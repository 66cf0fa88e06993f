"""What the gateway itself keeps of athletes that their plans rest on, looked up in one round trip."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from uuid import UUID

from gateway import outbox, overlay_store
from gateway.domain.overlay import OverlayInForce
from gateway.domain.session import Event
from shared.db import AsyncDatabase
from shared.walls import Sight


@dataclass(frozen=True)
class Held:
    """What is kept of one athlete."""

    overlay: OverlayInForce | None = None
    on_its_way: Sequence[Event] = ()
    """What moves the athlete and no service has applied yet."""
    last_event: UUID | None = None
    """What moved the athlete last: another one as soon as anything does, none if nothing ever did."""


class Holdings:
    """Looks that up. Changes nothing."""

    def __init__(self, database: AsyncDatabase) -> None:
        self._database = database

    async def of(self, athlete_ids: Collection[UUID]) -> dict[UUID, Held]:
        """What is kept of each of these athletes. Raises DependencyUnavailable."""
        # In this order: what comes to be in between is on its way, if it is not yet the last.
        last, overlays, events = await self._database.fetch(
            Sight.of(athlete_ids),
            outbox.last_of(athlete_ids),
            overlay_store.last_of(athlete_ids),
            outbox.on_its_way_of(athlete_ids),
        )
        last_event = {row.athlete_id: row.last_event_id for row in last}
        overlay, on_its_way = overlay_store.in_force(overlays), outbox.by_athlete(events)
        return {one: Held(overlay.get(one), on_its_way.get(one, ()), last_event.get(one)) for one in athlete_ids}

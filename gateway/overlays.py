"""The overlays of athletes: set and taken away by operators, looked up for every plan."""

import asyncio
from collections.abc import Collection
from uuid import UUID

from gateway.domain.overlay import Overlay, OverlayInForce, OverlayVersion
from gateway.domain.overlay_check import problems
from gateway.overlay_store import OverlayStore
from gateway.rulesets import Rulesets
from shared.rules_loader import Loaded, Problem, RulesError, line_of, load_text

MOST_VERSIONS = 100


class Overlays:
    """Knows what of the rules is stricter for single athletes."""

    def __init__(self, store: OverlayStore, rulesets: Rulesets) -> None:
        self._store = store
        self._rulesets = rulesets

    async def in_force(self, athlete_ids: Collection[UUID]) -> dict[UUID, OverlayInForce]:
        """The overlays to plan these athletes by; who has none is not in it. Raises DependencyUnavailable."""
        return await self._store.in_force(athlete_ids)

    async def set(self, athlete_id: UUID, text: str, file: str, author: str, note: str) -> OverlayVersion:
        """Sets an overlay, unless it is in force already. Raises RulesError naming `file`, DependencyUnavailable."""
        loaded = await asyncio.to_thread(load_text, text, Overlay, file=file)
        self._check(loaded, file)
        present = (await self._store.in_force([athlete_id])).get(athlete_id)
        if present is None or present.content_hash != loaded.content_hash:
            await self._store.put(athlete_id, loaded, author, note)
        return (await self._store.versions(athlete_id, 1))[0]

    async def clear(self, athlete_id: UUID, author: str, note: str) -> bool:
        """Takes an overlay away; answers whether there was one. Raises DependencyUnavailable."""
        if not await self._store.in_force([athlete_id]):
            return False
        await self._store.clear(athlete_id, author, note)
        return True

    async def versions(self, athlete_id: UUID) -> list[OverlayVersion]:
        """The last versions of an athlete, newest first. Raises DependencyUnavailable."""
        return await self._store.versions(athlete_id, MOST_VERSIONS)

    async def page(self, after: UUID | None, size: int) -> list[OverlayVersion]:
        """At most `size` overlays in force, by athlete, those after one. Raises DependencyUnavailable."""
        return await self._store.page(after, size)

    def _check(self, loaded: Loaded[Overlay], file: str) -> None:
        """Returns if an overlay fits the ruleset in force. Raises RulesError."""
        in_force = self._rulesets.in_force
        found = problems(loaded.rules, in_force.documents["readiness"]["signals"], in_force.session.rules)
        told = [Problem(file, line_of(loaded.text, path), message) for path, message in found]
        if told:
            raise RulesError(told)

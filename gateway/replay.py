"""Makes past plans again from the facts of then: by the rules of then, or by others to see what changes."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from gateway.domain.comparison import (
    ChangedSession,
    ComparedPage,
    Comparison,
    CountedPage,
    PastSession,
    changes,
    compare,
    is_harder,
)
from gateway.domain.inputs import Inputs
from gateway.domain.plan import Plan
from gateway.domain.projection import Told
from gateway.domain.rulesets import SERVICES
from gateway.history_store import HistoryStore
from gateway.planner import Planner
from gateway.rulesets import Rulesets
from gateway.store import SessionStore


class Replay:
    """Plans the past again. Reads, and changes nothing."""

    def __init__(self, store: SessionStore, history: HistoryStore, planner: Planner, rulesets: Rulesets) -> None:
        self._store = store
        self._history = history
        self._planner = planner
        self._rulesets = rulesets

    async def replay(self, athlete_id: UUID, session_id: UUID) -> Comparison:
        """Compares a stored plan with the same plan made again. Raises SessionNotFound, UnknownRules."""
        session = await self._store.get(athlete_id, session_id)
        parts = {service: session.plan.rules_of(service) for service in SERVICES}
        (again,) = await self._plans([session.inputs], parts)
        return compare(msgspec.to_builtins(session.plan), msgspec.to_builtins(again))

    async def count(self, since: datetime | None) -> int:
        """How many sessions the pages go through in all. Raises DependencyUnavailable."""
        return await self._history.count(since)

    async def compare_page(
        self, wanted: str, since: datetime | None, after: tuple[datetime, UUID] | None, size: int
    ) -> ComparedPage:
        """Plans a page of history by another ruleset. Raises UnknownRules, DependencyUnavailable."""
        past, plans = await self._again(wanted, since, after, size)
        told = ((session, plan, changes(session.plan, plan)) for session, plan in zip(past, plans, strict=True))
        changed = [ChangedSession(s, found, is_harder(s.plan, plan)) for s, plan, found in told if found]
        return ComparedPage(len(past), tuple(changed), _next_place(past, size))

    async def count_page(
        self, wanted: str, since: datetime | None, after: tuple[datetime, UUID] | None, size: int
    ) -> CountedPage:
        """Plans a page of history by a ruleset and counts what decided. Raises UnknownRules, DependencyUnavailable."""
        past, plans = await self._again(wanted, since, after, size)
        counts = Counter(decision.rule_id for plan in plans for decision in plan.decisions)
        return CountedPage(len(past), counts, _next_place(past, size))

    async def _again(
        self, wanted: str, since: datetime | None, after: tuple[datetime, UUID] | None, size: int
    ) -> tuple[list[PastSession], list[Plan]]:
        """A page of history, and its plans by a ruleset, the one in force if none is wanted."""
        version = await self._rulesets.find(wanted)
        past = await self._history.page(since, after, size)
        return past, await self._plans([session.inputs for session in past], version.parts) if past else []

    async def _plans(self, inputs: Sequence[Inputs], parts: Mapping[str, str]) -> list[Plan]:
        told = [
            Told(
                then.check_in,
                then.ledger.facts,
                then.profile.facts,
                then.planned_time,
                overlay=then.overlay,
                is_conditioning_known=then.profile.is_known,
            )
            for then in inputs
        ]
        return [plan for _, plan in await self._planner.plans(told, parts)]


def _next_place(past: Sequence[PastSession], size: int) -> tuple[datetime, UUID] | None:
    return past[-1].key if len(past) == size else None

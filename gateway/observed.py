"""The use cases, counted: whichever surface they are called by."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from gateway.domain.inputs import Standing
from gateway.domain.plan import Plan
from gateway.domain.session import Completion, Event, Notes, Session, SessionView
from gateway.domain.sets import LoggedSet, StoredSet
from gateway.metrics import GatewayMetrics
from gateway.sessions import Sessions


class ObservedSessions(Sessions):
    """Does what Sessions does, and counts what comes of it."""

    def __init__(self, metrics: GatewayMetrics, **parts: Any) -> None:
        super().__init__(**parts)
        self._metrics = metrics

    async def preview(self, athlete_id: UUID, check_in: Mapping[str, int], time: datetime | None = None) -> Plan:
        """Counts the plan that is given."""
        plan = await super().preview(athlete_id, check_in, time)
        self._count("preview", plan)
        return plan

    async def start(
        self, athlete_id: UUID, check_in: Mapping[str, int], session_id: UUID | None
    ) -> tuple[SessionView, bool]:
        """Counts the plan, once for each session."""
        view, replayed = await super().start(athlete_id, check_in, session_id)
        if not replayed:
            self._count("start", view.session.plan)
        return view, replayed

    async def complete(
        self, athlete_id: UUID, session_id: UUID, sets: Sequence[LoggedSet], notes: Notes
    ) -> tuple[SessionView, bool]:
        """Counts what the session moved, once for each session."""
        view, replayed = await super().complete(athlete_id, session_id, sets, notes)
        if not replayed and view.session.completion is not None:
            self._metrics.completed(view.session.completion.effects)
        return view, replayed

    async def _settle_late(self, session: Session, sets: Sequence[StoredSet]) -> tuple[Completion, tuple[Event, ...]]:
        """Counts what late sets earn after all."""
        completion, events = await super()._settle_late(session, sets)
        before = () if session.completion is None else session.completion.effects
        self._metrics.completed(effect for effect in completion.effects if effect not in before)
        return completion, events

    async def standing(self, athlete_id: UUID) -> Standing:
        """Counts an overview that lacks something."""
        standing = await super().standing(athlete_id)
        if standing.degraded:
            self._metrics.degraded("overview")
        return standing

    def _count(self, call: str, plan: Plan) -> None:
        self._metrics.planned(call, plan)
        if plan.degraded:
            self._metrics.degraded(call)

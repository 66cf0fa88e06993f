"""What operators count: states and anchors that are given, what is earned and what is withheld, what waits."""

import asyncio
import math
from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge

from gateway.domain.plan import Plan
from gateway.domain.session import Effect
from gateway.outbox import Backlog, Outbox
from shared.errors import DependencyUnavailable

WATCH_SECONDS = 5.0
CAN_BE_DEGRADED = ("preview", "start", "overview")
UNKNOWN = Backlog(math.nan, math.nan, math.nan)


class GatewayMetrics:
    """Counts over all athletes; labels are words of the rules."""

    def __init__(self, registry: CollectorRegistry) -> None:
        about = ["call", "state", "archetype", "anchor"]
        self._plans = Counter("flux_plans", "Plans given.", about, registry=registry)
        self._degraded = Counter(
            "flux_degraded_answers",
            "Answers that lack something, because a service did not answer.",
            ["call"],
            registry=registry,
        )
        for call in CAN_BE_DEGRADED:  # from 0 on, or the first one would not count as growth
            self._degraded.labels(call)
        self._effects = Counter(
            "flux_effects",
            "What completed sessions moved, and what was withheld.",
            ["kind", "subject", "verdict"],
            registry=registry,
        )
        self._pending = Gauge("flux_outbox_pending", "Events still to be applied.", registry=registry)
        self._oldest = Gauge(
            "flux_outbox_oldest_seconds",
            "Age of the oldest event still to be applied; 0 if there is none.",
            registry=registry,
        )
        self._dead = Gauge("flux_outbox_dead", "Events refused for good: each is a bug.", registry=registry)

    def planned(self, call: str, plan: Plan) -> None:
        """Counts a plan that is given."""
        self._plans.labels(call, plan.state, plan.archetype, plan.anchor_pattern).inc()

    def degraded(self, call: str) -> None:
        """Counts an answer that lacks something."""
        self._degraded.labels(call).inc()

    def completed(self, effects: Iterable[Effect]) -> None:
        """Counts what a session moved."""
        for effect in effects:
            self._effects.labels(effect.kind, effect.subject, effect.verdict).inc()

    async def watch(self, outbox: Outbox) -> None:
        """Looks at what waits, again and again until cancelled. What cannot be looked up is not a number."""
        while True:
            try:
                backlog = await outbox.backlog()
            except DependencyUnavailable:
                backlog = UNKNOWN
            self._pending.set(backlog.pending)
            self._oldest.set(backlog.oldest_seconds)
            self._dead.set(backlog.dead)
            await asyncio.sleep(WATCH_SECONDS)

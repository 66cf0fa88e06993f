"""Makes past plans again from the facts of then: by the rules of then, or by others to see what changes."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

import msgspec

from gateway.clients import Services
from gateway.domain.comparison import ChangedSession, ComparedPage, Comparison, changes, compare, is_harder
from gateway.domain.composition import compose
from gateway.domain.inputs import Inputs, without_conditioning
from gateway.domain.plan import Plan, Ruleset
from gateway.domain.rulesets import SERVICES
from gateway.history_store import HistoryStore
from gateway.rulesets import Rulesets
from gateway.store import SessionStore


class Replay:
    """Plans the past again. Reads, and changes nothing."""

    def __init__(self, store: SessionStore, history: HistoryStore, services: Services, rulesets: Rulesets) -> None:
        self._store = store
        self._history = history
        self._services = services
        self._rulesets = rulesets

    async def replay(self, athlete_id: UUID, session_id: UUID) -> Comparison:
        """Compares a stored plan with the same plan made again. Raises SessionNotFound, UnknownRules."""
        session = await self._store.get(athlete_id, session_id)
        parts = {service: session.plan.rules_of(service) for service in SERVICES}
        (again,) = await self._plans([session.inputs], parts)
        return compare(msgspec.to_builtins(session.plan), msgspec.to_builtins(again))

    async def count(self, since: datetime | None) -> int:
        """How many sessions `compare_page` goes through in all. Raises DependencyUnavailable."""
        return await self._history.count(since)

    async def compare_page(
        self, wanted: str, since: datetime | None, after: tuple[datetime, UUID] | None, size: int
    ) -> ComparedPage:
        """Plans a page of history by another ruleset. Raises UnknownRules, DependencyUnavailable."""
        version, _ = await self._rulesets.show(wanted)
        past = await self._history.page(since, after, size)
        plans = await self._plans([session.inputs for session in past], version.parts) if past else []
        told = ((session, plan, changes(session.plan, plan)) for session, plan in zip(past, plans, strict=True))
        changed = [ChangedSession(s, found, is_harder(s.plan, plan)) for s, plan, found in told if found]
        return ComparedPage(len(past), tuple(changed), past[-1].key if len(past) == size else None)

    async def _plans(self, inputs: Sequence[Inputs], parts: Mapping[str, str]) -> list[Plan]:
        rules = await self._rulesets.session_rules(parts["session"])
        stamp = Ruleset("session", rules.ruleset, parts["session"])
        readiness, ledgers, profiles = await asyncio.gather(
            self._services.evaluate_all([(then.check_in, then.own.readiness) for then in inputs], parts["readiness"]),
            self._services.rank([(then.ledger.facts, then.planned_time) for then in inputs], parts["debt"]),
            self._services.prescribe(
                [(then.profile.facts, then.planned_time) for then in inputs], parts["conditioning"]
            ),
        )
        told = zip(inputs, readiness, ledgers, profiles, strict=True)
        return [
            compose(
                replace(
                    then,
                    readiness=state,
                    ledger=ledger,
                    # Nothing was known then, so the facts are none, and this is the profile of nobody.
                    profile=profile if then.profile.is_known else without_conditioning(profile),
                    ruleset=stamp,
                ),
                rules,
            )
            for then, state, ledger, profile in told
        ]

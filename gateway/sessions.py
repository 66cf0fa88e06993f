"""The use cases of the gateway: plan, start, log, complete, look back. Knows nothing of how it is called."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from gateway import page_tokens
from gateway.athletes import Athletes
from gateway.domain.inputs import Standing
from gateway.domain.plan import Plan
from gateway.domain.session import (
    CheckInRecorded,
    Completion,
    Event,
    Logged,
    Notes,
    Page,
    Session,
    SessionClosed,
    SessionIdReused,
    SessionView,
    Status,
    Windows,
    check_completable,
)
from gateway.domain.sets import LoggedSet, StoredSet, changes_nothing, check_exercises, newest_only, repeats
from gateway.domain.settlement import settle, settle_late
from gateway.outbox import Outbox
from gateway.relay import Relay
from gateway.rulesets import Rulesets
from gateway.store import SessionStore
from gateway.today import Today
from shared.clock import Clock
from shared.crashpoints import Crashpoint, reach
from shared.errors import DependencyUnavailable, FieldViolation, InvalidRequest

FURTHEST_AHEAD = timedelta(days=365)


class Sessions:
    """Plans sessions by the rules, and carries them through to what they move."""

    def __init__(
        self,
        *,
        rulesets: Rulesets,
        today: Today,
        store: SessionStore,
        outbox: Outbox,
        relay: Relay,
        athletes: Athletes,
        clock: Clock,
        new_id: Callable[[], UUID],
    ) -> None:
        self._rulesets = rulesets
        self._today = today
        self._store = store
        self._outbox = outbox
        self._relay = relay
        self._athletes = athletes
        self._clock = clock
        self._new_id = new_id

    async def preview(self, athlete_id: UUID, check_in: Mapping[str, int], time: datetime | None = None) -> Plan:
        """The plan that `start` would store now, or at a time to come if nothing is trained until then.

        Raises InvalidRequest if the time is past or too far ahead, and DependencyUnavailable if readiness
        or debt does not answer.
        """
        now = self._clock.now()
        if time is not None and not now <= time <= now + FURTHEST_AHEAD:
            last = (now + FURTHEST_AHEAD).isoformat(timespec="seconds")
            message = f"must not be before now, nor more than {FURTHEST_AHEAD.days} days ahead, which is {last}"
            raise InvalidRequest.of([FieldViolation("plan_time", message, "PLAN_TIME")])
        _, plan = await self._today.plan(athlete_id, check_in, time)
        return plan

    async def start(
        self, athlete_id: UUID, check_in: Mapping[str, int], session_id: UUID | None
    ) -> tuple[SessionView, bool]:
        """Plans and stores a session; answers it, and whether it was there already.

        Raises SessionIdReused if the id stands for a session with another check-in, and DependencyUnavailable if
        readiness or debt does not answer.
        """
        inputs, plan = await self._today.plan(athlete_id, check_in, self._clock.now())
        chosen = session_id or self._new_id()
        session = Session(athlete_id, chosen, Status.IN_PROGRESS, inputs, plan, inputs.planned_time)
        recorded = CheckInRecorded(check_in, plan.state, inputs.planned_time)
        existing = await self._store.start(session, [Event(self._new_id(), athlete_id, chosen, recorded)])
        reach(Crashpoint.SESSION_STORED)
        if existing is None:
            self._relay.wake()
            return SessionView(session, (), {}), False
        if existing.inputs.check_in != check_in:
            raise SessionIdReused("this session id stands for a session with another check-in; choose a new id")
        return await self.get(athlete_id, chosen), True

    async def get(self, athlete_id: UUID, session_id: UUID) -> SessionView:
        """A session with its sets. Raises SessionNotFound."""
        session = await self._store.get(athlete_id, session_id)
        sets = await self._store.sets(athlete_id, session_id)
        return SessionView(session, tuple(sets), await self._outbox.deliveries(athlete_id, session_id))

    async def newest_open(self, athlete_id: UUID) -> SessionView | None:
        """The session in progress that was started last, to be resumed."""
        session_id = await self._store.newest_open(athlete_id)
        return None if session_id is None else await self.get(athlete_id, session_id)

    async def page(self, athlete_id: UUID, page_size: int, page_token: str, status: Status | None = None) -> Page:
        """Sessions of one status or of any, newest first; `page_size` 0 means the default. Raises InvalidPageToken."""
        size = page_size or page_tokens.DEFAULT_PAGE_SIZE
        before = page_tokens.read(page_token) if page_token else None
        found = await self._store.page(athlete_id, size + 1, before, status)
        more = len(found) > size
        return Page(
            tuple(found[:size]),
            page_tokens.write(found[size - 1].started_time, found[size - 1].session_id) if more else "",
        )

    async def log(self, athlete_id: UUID, session_id: UUID, sets: Sequence[LoggedSet]) -> Logged:
        """Logs sets, all or none; those that come after the completion may still earn what was withheld.

        Raises UnknownExercise, SessionNotFound, SessionClosed.
        """
        await self._check_exercises(athlete_id, session_id, sets)
        windows = Windows.of(self._rulesets.in_force.session.rules.evidence)
        kept, completed_time = await self._store.log(athlete_id, session_id, newest_only(sets), windows)
        reach(Crashpoint.SETS_STORED)
        if completed_time is None:
            return Logged(tuple(kept), None)
        session, events = await self._store.settle_late(athlete_id, session_id, self._settle_late)
        reach(Crashpoint.LATE_GRANT_STORED)
        await self._relay.deliver(events)
        return Logged(tuple(kept), await self._delivered(session))

    async def complete(
        self, athlete_id: UUID, session_id: UUID, sets: Sequence[LoggedSet], notes: Notes
    ) -> tuple[SessionView, bool]:
        """Completes a session and tries at once to deliver what it moves; answers whether it was completed before.

        Raises UnknownExercise, SessionNotFound, SessionClosed.
        """
        await self._check_exercises(athlete_id, session_id, sets)
        session, events = await self._store.complete(athlete_id, session_id, newest_only(sets), notes, self._settle)
        reach(Crashpoint.COMPLETION_STORED)
        if not events and sets:
            return await self._add(session, sets), True
        await self._relay.deliver(events)
        return await self._delivered(session), not events

    async def _add(self, session: Session, sets: Sequence[LoggedSet]) -> SessionView:
        """The completed session, with sets that came along when it was completed once more.

        A retry brings nothing new, and is answered for ever. Raises SessionClosed if it does and comes too late.
        """
        athlete_id, session_id = session.athlete_id, session.session_id
        sent, kept = newest_only(sets), await self._store.sets(athlete_id, session_id)
        if repeats(sent, kept) and not session.may_still_grant:
            return await self._delivered(session)
        try:
            logged = await self.log(athlete_id, session_id, sets)
        except SessionClosed:
            if changes_nothing(sent, kept):
                return await self._delivered(session)
            raise
        assert logged.completed is not None  # noqa: S101 - completed never reopens
        return logged.completed

    async def _delivered(self, session: Session) -> SessionView:
        """A completed session, and how far what it moves has come."""
        deliveries = await self._outbox.deliveries(session.athlete_id, session.session_id)
        return SessionView(session, (), deliveries)

    async def abandon(self, athlete_id: UUID, session_id: UUID) -> None:
        """Gives a session up. Raises SessionNotFound, SessionCompleted."""
        await self._store.abandon(athlete_id, session_id)

    async def forget(self, athlete_id: UUID) -> None:
        """Deletes everything of an athlete, here at once, and in the services as soon as they answer.

        Raises DependencyUnavailable.
        """
        await self._relay.deliver(await self._athletes.erase(athlete_id))

    async def standing(self, athlete_id: UUID) -> Standing:
        """Where the athlete stands, as far as it is known. Raises DependencyUnavailable if nothing of it is."""
        standing = await self._today.standing(athlete_id)
        if standing.ledger is None and standing.profile is None:
            raise DependencyUnavailable("neither debt nor conditioning answers; retry in a moment")
        return standing

    async def _check_exercises(self, athlete_id: UUID, session_id: UUID, sets: Sequence[LoggedSet]) -> None:
        """Returns if every exercise is in the catalog, that of today or that of the session's day."""
        names = {logged.exercise_name for logged in sets}
        catalog = set(self._rulesets.in_force.session.rules.catalog)
        if not names <= catalog:
            session = await self._store.get(athlete_id, session_id)
            planned_by = await self._rulesets.session_rules(session.plan.rules_of("session"))
            check_exercises(sorted(names), [*catalog, *planned_by.catalog])

    async def _settle(
        self, session: Session, sets: Sequence[StoredSet], number: int, now: datetime
    ) -> tuple[Completion, tuple[Event, ...]]:
        """Settles a session by the rules that it was planned by, whatever is in force by now."""
        rules = await self._rulesets.session_rules(session.plan.rules_of("session"))
        check_completable(session, rules.evidence, now)
        return settle(session, sets, rules.evidence, session_number=number, completed_time=now, new_id=self._new_id)

    async def _settle_late(self, session: Session, sets: Sequence[StoredSet]) -> tuple[Completion, tuple[Event, ...]]:
        rules = await self._rulesets.session_rules(session.plan.rules_of("session"))
        return settle_late(session, sets, rules.evidence, new_id=self._new_id)

"""Keeps sessions and their plans. Every statement names the athlete, but for the one that looks for idle sessions."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import ColumnElement, and_, exists, func, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway import outbox, sets_store
from gateway.domain.inputs import Inputs
from gateway.domain.plan import Archetype, Plan, State
from gateway.domain.session import (
    Completion,
    Event,
    Notes,
    Session,
    SessionCompleted,
    SessionNotFound,
    SessionSummary,
    Status,
    Windows,
)
from gateway.domain.sets import LoggedSet, StoredSet
from gateway.sets_store import Entry, SetLog
from gateway.tables import athletes, sessions, workout_sets
from shared.db import AsyncDatabase
from shared.walls import EVERYONE, Sight

type Settled = Awaitable[tuple[Completion, tuple[Event, ...]]]
type Settle = Callable[[Session, Sequence[StoredSet], int, datetime], Settled]
type SettleLate = Callable[[Session, Sequence[StoredSet]], Settled]

# For sets that come with a completion: whether that is still possible is decided with it.
UNLIMITED = Windows(correction=timedelta(days=36_500), late=timedelta(days=36_500))

_NEWEST_FIRST = (sessions.c.started_time.desc(), sessions.c.session_id.desc())


class SessionStore:
    """Sessions of all athletes."""

    def __init__(self, database: AsyncDatabase) -> None:
        self._database = database
        self._set_log = SetLog(database)

    async def start(self, session: Session, events: Sequence[Event]) -> Session | None:
        """Stores a new session with its events. Answers the session that has this id already, if there is one."""
        async with self._database.transaction(Sight.of([session.athlete_id])) as connection:
            stored = await connection.execute(
                upsert(sessions)
                .values(
                    athlete_id=session.athlete_id,
                    session_id=session.session_id,
                    status=session.status,
                    state=session.plan.state,
                    archetype=session.plan.archetype,
                    anchor_pattern=session.plan.anchor_pattern,
                    inputs=_to_json(session.inputs),
                    plan=_to_json(session.plan),
                    planned_slots={planned.exercise.name: planned.slot for planned in session.plan.exercises},
                    started_time=session.started_time,
                )
                .on_conflict_do_nothing()
                .returning(sessions.c.session_id)
            )
            if stored.first() is None:
                return await _session(connection, session.athlete_id, session.session_id)
            await outbox.put(connection, events, held=False)
            return None

    async def get(self, athlete_id: UUID, session_id: UUID) -> Session:
        """One session. Raises SessionNotFound."""
        async with self._database.autocommit(Sight.of([athlete_id])) as connection:
            return await _session(connection, athlete_id, session_id)

    async def sets(self, athlete_id: UUID, session_id: UUID) -> list[StoredSet]:
        """The sets of one session, deleted ones too, by slot, exercise and index."""
        async with self._database.autocommit(Sight.of([athlete_id])) as connection:
            return await sets_store.read(connection, athlete_id, session_id)

    async def newest_open(self, athlete_id: UUID) -> UUID | None:
        """The session in progress that was started last, if there is one."""
        open_ones = and_(sessions.c.athlete_id == athlete_id, sessions.c.status == Status.IN_PROGRESS)
        newest = select(sessions.c.session_id).where(open_ones).order_by(*_NEWEST_FIRST).limit(1)
        async with self._database.autocommit(Sight.of([athlete_id])) as connection:
            row = (await connection.execute(newest)).first()
            return None if row is None else row.session_id

    async def page(
        self, athlete_id: UUID, size: int, before: tuple[datetime, UUID] | None, status: Status | None = None
    ) -> list[SessionSummary]:
        """At most `size` sessions, newest first, that were started before the given one and have this status."""
        older: ColumnElement[bool] = sessions.c.athlete_id == athlete_id
        if before is not None:
            older = and_(older, tuple_(sessions.c.started_time, sessions.c.session_id) < before)
        if status is not None:
            older = and_(older, sessions.c.status == status)
        columns = (
            sessions.c.session_id,
            sessions.c.status,
            sessions.c.state,
            sessions.c.archetype,
            sessions.c.anchor_pattern,
            sessions.c.started_time,
            sessions.c.completed_time,
        )
        async with self._database.autocommit(Sight.of([athlete_id])) as connection:
            rows = await connection.execute(select(*columns).where(older).order_by(*_NEWEST_FIRST).limit(size))
            return [
                SessionSummary(
                    row.session_id,
                    Status(row.status),
                    State(row.state),
                    Archetype(row.archetype),
                    row.anchor_pattern,
                    row.started_time,
                    row.completed_time,
                )
                for row in rows
            ]

    async def log(
        self, athlete_id: UUID, session_id: UUID, logged: Sequence[LoggedSet], windows: Windows
    ) -> tuple[list[StoredSet], datetime | None]:
        """Upserts sets, all or none; a set that is older than the one kept changes nothing.

        Answers these sets as they are kept now, and when the session was completed, if it was.
        Raises SessionNotFound, or SessionClosed if the session was completed or abandoned too long ago.
        """
        return await self._set_log.log(Entry(athlete_id, session_id, logged, windows))

    async def complete(
        self, athlete_id: UUID, session_id: UUID, logged: Sequence[LoggedSet], notes: Notes, settle: Settle
    ) -> tuple[Session, tuple[Event, ...]]:
        """Completes a session in one transaction: sets sent along, evidence, number, result and events.

        Answers the session as stored, with the events to deliver; a session that was completed before is answered as
        it is, without events. Raises SessionNotFound, and whatever `settle` raises.
        """
        async with self._database.transaction(Sight.of([athlete_id])) as connection:
            session = await _session(connection, athlete_id, session_id, lock=True)
            if session.status is Status.COMPLETED:
                return session, ()
            if logged:
                await sets_store.log(connection, Entry(athlete_id, session_id, logged, UNLIMITED))
            number, now = await _next_number(connection, athlete_id)
            stored_sets = await sets_store.read(connection, athlete_id, session_id)
            completion, events = await settle(session, stored_sets, number, now)
            await connection.execute(
                update(sessions)
                .where(_is(athlete_id, session_id))
                .values(
                    status=Status.COMPLETED,
                    completed_time=now,
                    completion=_to_json(completion),
                    exercise_notes=dict(notes.by_exercise),
                    summary_notes=notes.summary,
                )
            )
            stored_events = await outbox.put(connection, events, held=True)
            return await _session(connection, athlete_id, session_id), stored_events

    async def settle_late(
        self, athlete_id: UUID, session_id: UUID, settle: SettleLate
    ) -> tuple[Session, tuple[Event, ...]]:
        """Settles a completed session once more, in one transaction.

        Answers the session as stored, with the events to deliver. Raises SessionNotFound.
        """
        async with self._database.transaction(Sight.of([athlete_id])) as connection:
            session = await _session(connection, athlete_id, session_id, lock=True)
            if not session.may_still_grant:
                return session, ()
            stored_sets = await sets_store.read(connection, athlete_id, session_id)
            completion, events = await settle(session, stored_sets)
            await connection.execute(
                update(sessions).where(_is(athlete_id, session_id)).values(completion=_to_json(completion))
            )
            return replace(session, completion=completion), await outbox.put(connection, events, held=True)

    async def abandon(self, athlete_id: UUID, session_id: UUID) -> None:
        """Gives a session up. Raises SessionNotFound or SessionCompleted."""
        async with self._database.transaction(Sight.of([athlete_id])) as connection:
            session = await _session(connection, athlete_id, session_id, lock=True)
            if session.status is Status.COMPLETED:
                raise SessionCompleted("the session is completed; it can no longer be given up")
            await connection.execute(
                update(sessions).where(_is(athlete_id, session_id)).values(status=Status.ABANDONED)
            )

    async def abandon_idle(self, idle: timedelta, limit: int) -> int:
        """Gives up at most `limit` sessions, of any athlete, in which nothing was logged for so long; says how many."""
        active = and_(
            workout_sets.c.athlete_id == sessions.c.athlete_id,
            workout_sets.c.session_id == sessions.c.session_id,
            workout_sets.c.updated_time >= func.now() - idle,
        )
        idle_ones = (
            select(sessions.c.athlete_id, sessions.c.session_id)
            .where(
                sessions.c.status == Status.IN_PROGRESS,
                sessions.c.started_time < func.now() - idle,
                ~exists().where(active),
            )
            .order_by(sessions.c.athlete_id, sessions.c.session_id)
            .limit(limit)
            .with_for_update(skip_locked=True)
            .cte("idle_ones")
            .prefix_with("MATERIALIZED")
        )
        key = tuple_(sessions.c.athlete_id, sessions.c.session_id)
        async with self._database.autocommit(EVERYONE) as connection:
            given_up = await connection.execute(
                update(sessions)
                .where(key.in_(select(idle_ones.c.athlete_id, idle_ones.c.session_id)))
                .values(status=Status.ABANDONED)
            )
            return given_up.rowcount


def _is(athlete_id: UUID, session_id: UUID) -> ColumnElement[bool]:
    return and_(sessions.c.athlete_id == athlete_id, sessions.c.session_id == session_id)


async def _session(connection: AsyncConnection, athlete_id: UUID, session_id: UUID, *, lock: bool = False) -> Session:
    columns = (
        sessions.c.status,
        sessions.c.inputs,
        sessions.c.plan,
        sessions.c.started_time,
        sessions.c.completed_time,
        sessions.c.completion,
        sessions.c.exercise_notes,
        sessions.c.summary_notes,
    )
    statement = select(*columns).where(_is(athlete_id, session_id))
    row = (await connection.execute(statement.with_for_update() if lock else statement)).first()
    if row is None:
        raise SessionNotFound
    return Session(
        athlete_id=athlete_id,
        session_id=session_id,
        status=Status(row.status),
        inputs=_from_json(row.inputs, Inputs),
        plan=_from_json(row.plan, Plan),
        started_time=row.started_time,
        completed_time=row.completed_time,
        completion=None if row.completion is None else _from_json(row.completion, Completion),
        notes=Notes(row.exercise_notes, row.summary_notes),
    )


async def _next_number(connection: AsyncConnection, athlete_id: UUID) -> tuple[int, datetime]:
    """The number of the session being completed, and the database's time. Serialises completions of an athlete."""
    first = upsert(athletes).values(athlete_id=athlete_id, completed_sessions=1)
    counted = first.on_conflict_do_update(
        index_elements=["athlete_id"], set_={"completed_sessions": athletes.c.completed_sessions + 1}
    )
    row = (await connection.execute(counted.returning(athletes.c.completed_sessions, func.now().label("now")))).one()
    return row.completed_sessions, row.now


def _to_json(value: object) -> Any:
    return msgspec.to_builtins(value)


def _from_json[T](value: object, shape: type[T]) -> T:
    return msgspec.convert(value, shape)

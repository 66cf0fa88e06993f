"""Keeps sessions, plans and sets: the SQL of the gateway, but for the outbox. Every statement names the athlete."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import ColumnElement, Row, and_, func, select, text, tuple_, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway import outbox
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
from gateway.domain.sets import UNPLANNED, LoggedSet, StoredSet
from gateway.tables import athletes, sessions, workout_sets
from shared.db import AsyncDatabase

type Settle = Callable[[Session, Sequence[StoredSet], int, datetime], Awaitable[tuple[Completion, tuple[Event, ...]]]]


# One statement: it finds the session, the slot that the plan gives to each exercise, and refuses what comes too late.
# Device ids are compared byte by byte, whatever language the database sorts by.
_LOG_SETS = text(f"""
INSERT INTO session.workout_sets AS kept (
  athlete_id, session_id, slot, exercise_name, set_index, weight_kg, reps, seconds,
  is_warmup, is_benchmark, metadata, client_rev, device_id, updated_time)
SELECT s.athlete_id, s.session_id, coalesce(s.planned_slots ->> r.exercise_name, '{UNPLANNED}'), r.exercise_name,
  r.set_index, r.weight_kg, r.reps, r.seconds, r.is_warmup, r.is_benchmark, r.metadata, r.client_rev, r.device_id,
  clock_timestamp()
FROM session.sessions s
CROSS JOIN jsonb_to_recordset(CAST(:rows AS jsonb)) AS r(
  exercise_name text, set_index smallint, weight_kg numeric, reps smallint, seconds int,
  is_warmup boolean, is_benchmark boolean, metadata jsonb, client_rev int, device_id text)
WHERE s.athlete_id = :athlete_id AND s.session_id = :session_id
  AND (s.completed_time IS NULL OR s.completed_time >= now() - :correction)
  AND (s.status <> 'ABANDONED' OR s.started_time >= now() - :late)
ON CONFLICT (athlete_id, session_id, slot, exercise_name, set_index) DO UPDATE SET
  weight_kg = excluded.weight_kg, reps = excluded.reps, seconds = excluded.seconds,
  is_warmup = excluded.is_warmup, is_benchmark = excluded.is_benchmark, metadata = excluded.metadata,
  client_rev = coalesce(excluded.client_rev, kept.client_rev), device_id = excluded.device_id,
  updated_time = excluded.updated_time
WHERE excluded.client_rev IS NULL OR kept.client_rev IS NULL
  OR (excluded.client_rev, excluded.device_id COLLATE "C") >= (kept.client_rev, kept.device_id COLLATE "C")
""")  # noqa: S608 - the only thing put in is a constant


# For sets that come with a completion: whether that is still possible is decided with it.
UNLIMITED = Windows(correction=timedelta(days=36_500), late=timedelta(days=36_500))


class SessionStore:
    """Sessions of all athletes."""

    def __init__(self, database: AsyncDatabase) -> None:
        self._database = database

    async def start(self, session: Session, events: Sequence[Event]) -> Session | None:
        """Stores a new session with its events. Answers the session that has this id already, if there is one."""
        async with self._database.transaction() as connection:
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
        async with self._database.autocommit() as connection:
            return await _session(connection, athlete_id, session_id)

    async def sets(self, athlete_id: UUID, session_id: UUID) -> list[StoredSet]:
        """The sets of one session, by slot, exercise and index."""
        async with self._database.autocommit() as connection:
            return await _sets(connection, athlete_id, session_id)

    async def page(self, athlete_id: UUID, size: int, before: tuple[datetime, UUID] | None) -> list[SessionSummary]:
        """At most `size` sessions, newest first, that were started before the given one."""
        older: ColumnElement[bool] = sessions.c.athlete_id == athlete_id
        if before is not None:
            older = and_(older, tuple_(sessions.c.started_time, sessions.c.session_id) < before)
        columns = (
            sessions.c.session_id,
            sessions.c.status,
            sessions.c.state,
            sessions.c.archetype,
            sessions.c.anchor_pattern,
            sessions.c.started_time,
            sessions.c.completed_time,
        )
        newest_first = (sessions.c.started_time.desc(), sessions.c.session_id.desc())
        async with self._database.autocommit() as connection:
            rows = await connection.execute(select(*columns).where(older).order_by(*newest_first).limit(size))
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

    async def log(self, athlete_id: UUID, session_id: UUID, logged: Sequence[LoggedSet], windows: Windows) -> None:
        """Upserts sets, all or none; a set that is older than the one kept changes nothing.

        Raises SessionNotFound, or SessionClosed if the session was completed or abandoned too long ago.
        """
        async with self._database.autocommit() as connection:
            await _log(connection, athlete_id, session_id, logged, windows)

    async def complete(
        self, athlete_id: UUID, session_id: UUID, logged: Sequence[LoggedSet], notes: Notes, settle: Settle
    ) -> tuple[Session, tuple[Event, ...]]:
        """Completes a session in one transaction: sets sent along, evidence, number, result and events.

        Answers the session as stored, with the events to deliver; a session that was completed before is answered as
        it is, without events. Raises SessionNotFound, and whatever `settle` raises.
        """
        async with self._database.transaction() as connection:
            session = await _session(connection, athlete_id, session_id, lock=True)
            if session.status is Status.COMPLETED:
                return session, ()
            if logged:
                await _log(connection, athlete_id, session_id, logged, UNLIMITED)
            number, now = await _next_number(connection, athlete_id)
            stored_sets = await _sets(connection, athlete_id, session_id)
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
            await outbox.put(connection, events, held=True)
            return await _session(connection, athlete_id, session_id), events

    async def abandon(self, athlete_id: UUID, session_id: UUID) -> None:
        """Gives a session up. Raises SessionNotFound or SessionCompleted."""
        async with self._database.transaction() as connection:
            session = await _session(connection, athlete_id, session_id, lock=True)
            if session.status is Status.COMPLETED:
                raise SessionCompleted("the session is completed; it can no longer be given up")
            await connection.execute(
                update(sessions).where(_is(athlete_id, session_id)).values(status=Status.ABANDONED)
            )


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


async def _log(
    connection: AsyncConnection,
    athlete_id: UUID,
    session_id: UUID,
    logged: Sequence[LoggedSet],
    windows: Windows,
) -> None:
    rows = msgspec.json.encode([_row(one) for one in logged]).decode()
    done = await connection.execute(
        _LOG_SETS,
        {
            "athlete_id": athlete_id,
            "session_id": session_id,
            "rows": rows,
            "correction": windows.correction,
            "late": windows.late,
        },
    )
    if done.rowcount == 0:
        await _why_nothing_was_logged(connection, athlete_id, session_id, windows)


async def _why_nothing_was_logged(
    connection: AsyncConnection, athlete_id: UUID, session_id: UUID, windows: Windows
) -> None:
    """Returns if every set was older than the one kept, which is fine. Raises SessionNotFound or SessionClosed."""
    done = sessions.c.completed_time < func.now() - windows.correction
    given_up = and_(sessions.c.status == Status.ABANDONED, sessions.c.started_time < func.now() - windows.late)
    asked = select(done.label("done"), given_up.label("given_up")).where(_is(athlete_id, session_id))
    row = (await connection.execute(asked)).first()
    if row is None:
        raise SessionNotFound
    if row.done or row.given_up:
        raise windows.closed(completed=row.done)


async def _sets(connection: AsyncConnection, athlete_id: UUID, session_id: UUID) -> list[StoredSet]:
    mine = and_(workout_sets.c.athlete_id == athlete_id, workout_sets.c.session_id == session_id)
    order = (workout_sets.c.slot, workout_sets.c.exercise_name, workout_sets.c.set_index)
    rows = await connection.execute(select(workout_sets).where(mine).order_by(*order))
    return [_stored_set(row) for row in rows]


async def _next_number(connection: AsyncConnection, athlete_id: UUID) -> tuple[int, datetime]:
    """The number of the session being completed, and the database's time. Serialises completions of an athlete."""
    first = upsert(athletes).values(athlete_id=athlete_id, completed_sessions=1)
    counted = first.on_conflict_do_update(
        index_elements=["athlete_id"], set_={"completed_sessions": athletes.c.completed_sessions + 1}
    )
    row = (await connection.execute(counted.returning(athletes.c.completed_sessions, func.now().label("now")))).one()
    return row.completed_sessions, row.now


def _row(logged: LoggedSet) -> Mapping[str, object]:
    return {
        "exercise_name": logged.exercise_name,
        "set_index": logged.set_index,
        "weight_kg": logged.weight_kg,
        "reps": logged.reps,
        "seconds": logged.seconds,
        "is_warmup": logged.is_warmup,
        "is_benchmark": logged.is_benchmark,
        "metadata": logged.metadata or {},
        "client_rev": logged.client_rev,
        "device_id": logged.device_id,
    }


def _stored_set(row: Row[Any]) -> StoredSet:
    weight: Decimal | None = row.weight_kg
    logged = LoggedSet(
        exercise_name=row.exercise_name,
        set_index=row.set_index,
        weight_kg=weight,
        reps=row.reps,
        seconds=row.seconds,
        is_warmup=row.is_warmup,
        is_benchmark=row.is_benchmark,
        metadata=row.metadata,
        client_rev=row.client_rev,
        device_id=row.device_id,
    )
    return StoredSet(logged, row.slot, row.updated_time)


def _to_json(value: object) -> Any:
    return msgspec.to_builtins(value)


def _from_json[T](value: object, shape: type[T]) -> T:
    return msgspec.convert(value, shape)

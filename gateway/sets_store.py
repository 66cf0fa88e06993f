"""Keeps sets: one statement logs any number of them, whatever is there already. Every statement names the athlete."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from operator import attrgetter
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import Row, and_, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.domain.session import SessionNotFound, Windows
from gateway.domain.sets import UNPLANNED, LoggedSet, StoredSet
from gateway.tables import workout_sets

_COLUMNS = (
    "slot, exercise_name, set_index, weight_kg, reps, seconds, is_warmup, is_benchmark, is_deleted, metadata,"
    " client_rev, device_id, updated_time"
)

# It finds the session and the slot that the plan gives to each exercise, writes what is not older than what is there,
# and answers what is kept, or why nothing is. KEY SHARE, which the foreign key takes anyway, waits for a completion
# under way, and then sees it. Device ids are compared byte by byte, whatever language the database sorts by.
_LOG_SETS = text(f"""
WITH session AS MATERIALIZED (
  SELECT athlete_id, session_id, planned_slots, completed_time,
    coalesce(completed_time < now() - :correction, false) AS is_done,
    status = 'ABANDONED' AND started_time < now() - :late AS is_given_up
  FROM session.sessions
  WHERE athlete_id = :athlete_id AND session_id = :session_id
  FOR KEY SHARE
), sent AS MATERIALIZED (
  SELECT s.athlete_id, s.session_id, coalesce(s.planned_slots ->> r.exercise_name, '{UNPLANNED}') AS slot, r.*
  FROM session s
  CROSS JOIN jsonb_to_recordset(CAST(:rows AS jsonb)) AS r(
    exercise_name text, set_index smallint, weight_kg numeric, reps smallint, seconds int, is_warmup boolean,
    is_benchmark boolean, is_deleted boolean, metadata jsonb, client_rev int, device_id text)
  WHERE NOT s.is_done AND NOT s.is_given_up
), written AS (
  INSERT INTO session.workout_sets AS kept (athlete_id, session_id, {_COLUMNS})
  SELECT athlete_id, session_id, slot, exercise_name, set_index, weight_kg, reps, seconds, is_warmup, is_benchmark,
    is_deleted, metadata, client_rev, device_id, clock_timestamp()
  FROM sent
  ON CONFLICT (athlete_id, session_id, slot, exercise_name, set_index) DO UPDATE SET
    weight_kg = excluded.weight_kg, reps = excluded.reps, seconds = excluded.seconds,
    is_warmup = excluded.is_warmup, is_benchmark = excluded.is_benchmark, is_deleted = excluded.is_deleted,
    metadata = excluded.metadata, client_rev = coalesce(excluded.client_rev, kept.client_rev),
    device_id = excluded.device_id, updated_time = excluded.updated_time
  WHERE excluded.client_rev IS NULL OR kept.client_rev IS NULL
    OR (excluded.client_rev, excluded.device_id COLLATE "C") >= (kept.client_rev, kept.device_id COLLATE "C")
  RETURNING {_COLUMNS}
), newer AS (
  SELECT {_COLUMNS}
  FROM session.workout_sets
  WHERE athlete_id = :athlete_id AND session_id = :session_id
    AND (slot, exercise_name, set_index) IN (SELECT slot, exercise_name, set_index FROM sent)
    AND (slot, exercise_name, set_index) NOT IN (SELECT slot, exercise_name, set_index FROM written)
)
SELECT session.completed_time, session.is_done, session.is_given_up, answer.*
FROM session LEFT JOIN (SELECT * FROM written UNION ALL SELECT * FROM newer) AS answer ON true
""")  # noqa: S608 - the only things put in are constants


async def log(
    connection: AsyncConnection,
    athlete_id: UUID,
    session_id: UUID,
    logged: Sequence[LoggedSet],
    windows: Windows,
) -> tuple[list[StoredSet], datetime | None]:
    """Upserts sets; answers them as they are kept now, and when the session was completed, if it was.

    Raises SessionNotFound, or SessionClosed if the session was completed or abandoned too long ago.
    """
    # In one order, whatever the order of the device: then two statements for the same sets cannot deadlock.
    in_order = sorted(logged, key=attrgetter("key"))
    asked = {
        "athlete_id": athlete_id,
        "session_id": session_id,
        "rows": msgspec.json.encode([_row(one) for one in in_order]).decode(),
        "correction": windows.correction,
        "late": windows.late,
    }
    rows = (await connection.execute(_LOG_SETS, asked)).all()
    if not rows:
        raise SessionNotFound
    session = rows[0]
    if session.is_done or session.is_given_up:
        raise windows.closed(completed=session.is_done)
    if len(rows) == len(logged) and session.slot is not None:
        return [_stored_set(row) for row in rows], session.completed_time
    # Somebody else logged a newer set meanwhile, which this statement could not see.
    keys = {one.key for one in logged}
    kept = await read(connection, athlete_id, session_id)
    return [stored for stored in kept if stored.logged.key in keys], session.completed_time


async def read(connection: AsyncConnection, athlete_id: UUID, session_id: UUID) -> list[StoredSet]:
    """The sets of one session, deleted ones too, by slot, exercise and index."""
    mine = and_(workout_sets.c.athlete_id == athlete_id, workout_sets.c.session_id == session_id)
    order = (workout_sets.c.slot, workout_sets.c.exercise_name, workout_sets.c.set_index)
    rows = await connection.execute(select(workout_sets).where(mine).order_by(*order))
    return [_stored_set(row) for row in rows]


def _row(logged: LoggedSet) -> Mapping[str, object]:
    return {
        "exercise_name": logged.exercise_name,
        "set_index": logged.set_index,
        "weight_kg": logged.weight_kg,
        "reps": logged.reps,
        "seconds": logged.seconds,
        "is_warmup": logged.is_warmup,
        "is_benchmark": logged.is_benchmark,
        "is_deleted": logged.is_deleted,
        "metadata": logged.metadata or {},
        "client_rev": logged.client_rev,
        "device_id": logged.device_id,
    }


def _stored_set(row: Row[Any]) -> StoredSet:
    logged = LoggedSet(
        exercise_name=row.exercise_name,
        set_index=row.set_index,
        weight_kg=row.weight_kg,
        reps=row.reps,
        seconds=row.seconds,
        is_warmup=row.is_warmup,
        is_benchmark=row.is_benchmark,
        metadata=row.metadata,
        client_rev=row.client_rev,
        device_id=row.device_id,
        is_deleted=row.is_deleted,
    )
    return StoredSet(logged, row.slot, row.updated_time)

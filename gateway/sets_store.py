"""Keeps sets: one statement logs those of any number of athletes, whatever is there already.

What athletes send at the same moment is written together, and committed once. Nobody waits for a stranger: a session
that somebody else holds is passed over, and whoever asked for it waits alone.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import TextClause, and_, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.coalescer import Coalescer
from gateway.domain.session import SessionNotFound, Windows
from gateway.domain.sets import UNPLANNED, LoggedSet, StoredSet, newest_only
from gateway.tables import workout_sets
from shared.db import AsyncDatabase
from shared.prepared import Prepared
from shared.walls import Sight

_COLUMNS = (
    "slot, exercise_name, set_index, weight_kg, reps, seconds, is_warmup, is_benchmark, is_deleted, metadata,"
    " client_rev, device_id, updated_time"
)
_KEY = "athlete_id, session_id, slot, exercise_name, set_index"
# Each may bring many sets, and the last one's answer waits for the first one's sets.
MOST_TOGETHER = 32


def _log_sets(skip_locked: str) -> TextClause:
    """Writes what is not older than what is there, and answers what is kept, or why nothing is.

    KEY SHARE, which the foreign key takes anyway, meets a completion under way: the statement waits for it, and then
    sees it, or passes it over. Sets are written in one order: then two statements cannot deadlock. Device ids are
    compared byte by byte, whatever language the database sorts by.
    """
    return text(f"""
WITH asked AS (
  SELECT * FROM unnest(
    CAST(:athlete_ids AS uuid[]), CAST(:session_ids AS uuid[]), CAST(:corrections AS interval[]),
    CAST(:lates AS interval[])) AS one(athlete_id, session_id, correction, late)
), session AS MATERIALIZED (
  SELECT s.athlete_id, s.session_id, s.planned_slots, s.completed_time,
    coalesce(s.completed_time < now() - asked.correction, false) AS is_done,
    s.status = 'ABANDONED' AND s.started_time < now() - asked.late AS is_given_up
  FROM asked JOIN session.sessions AS s USING (athlete_id, session_id)
  FOR KEY SHARE OF s {skip_locked}
), sent AS MATERIALIZED (
  SELECT r.*, coalesce(s.planned_slots ->> r.exercise_name, '{UNPLANNED}') AS slot
  FROM session s
  JOIN jsonb_to_recordset(CAST(:rows AS jsonb)) AS r(
    athlete_id uuid, session_id uuid, exercise_name text, set_index smallint, weight_kg numeric, reps smallint,
    seconds int, is_warmup boolean, is_benchmark boolean, is_deleted boolean, metadata jsonb, client_rev int,
    device_id text) ON (s.athlete_id, s.session_id) = (r.athlete_id, r.session_id)
  WHERE NOT s.is_done AND NOT s.is_given_up
), written AS (
  INSERT INTO session.workout_sets AS kept (athlete_id, session_id, {_COLUMNS})
  SELECT {_KEY}, weight_kg, reps, seconds, is_warmup, is_benchmark, is_deleted, metadata, client_rev, device_id,
    clock_timestamp()
  FROM sent
  ORDER BY {_KEY}
  ON CONFLICT ({_KEY}) DO UPDATE SET
    weight_kg = excluded.weight_kg, reps = excluded.reps, seconds = excluded.seconds,
    is_warmup = excluded.is_warmup, is_benchmark = excluded.is_benchmark, is_deleted = excluded.is_deleted,
    metadata = excluded.metadata, client_rev = coalesce(excluded.client_rev, kept.client_rev),
    device_id = excluded.device_id, updated_time = excluded.updated_time
  WHERE excluded.client_rev IS NULL OR kept.client_rev IS NULL
    OR (excluded.client_rev, excluded.device_id COLLATE "C") >= (kept.client_rev, kept.device_id COLLATE "C")
  RETURNING athlete_id, session_id, {_COLUMNS}
), newer AS (
  SELECT kept.athlete_id, kept.session_id, {", ".join(f"kept.{column}" for column in _COLUMNS.split(", "))}
  FROM sent JOIN session.workout_sets AS kept USING ({_KEY})
  WHERE ({_KEY}) NOT IN (SELECT {_KEY} FROM written)
)
SELECT session.completed_time, session.is_done, session.is_given_up, session.athlete_id, session.session_id,
  {_COLUMNS}
FROM session
LEFT JOIN (SELECT * FROM written UNION ALL SELECT * FROM newer) AS answer USING (athlete_id, session_id)
""")  # noqa: S608 - the only things put in are constants


_LOG_AND_WAIT, _LOG_WHAT_IS_FREE = _log_sets(""), Prepared(_log_sets("SKIP LOCKED"))


@dataclass(frozen=True)
class Entry:
    """Sets of one session to log, one for each position, and until when they may come."""

    athlete_id: UUID
    session_id: UUID
    sets: Sequence[LoggedSet]
    windows: Windows


type Kept = tuple[list[StoredSet], datetime | None]
"""Sets as they are kept now, and when their session was completed, if it was."""


class SetLog:
    """Logs sets, together with whoever does at the same moment."""

    def __init__(self, database: AsyncDatabase) -> None:
        self._database = database
        self._together = Coalescer(self._log_together, MOST_TOGETHER)

    async def log(self, entry: Entry) -> Kept:
        """Upserts the sets of one session, all or none.

        Raises SessionNotFound, SessionClosed if it was completed or abandoned too long ago, and DependencyUnavailable.
        """
        found = await self._together.load(entry)
        kept = None if found is None else found.kept(entry)
        if kept is not None:
            return kept
        async with self._database.autocommit(Sight.of([entry.athlete_id])) as connection:
            return await log(connection, entry)

    async def _log_together(self, entries: Sequence[Entry], _: float) -> list["_Found | None"]:
        sight = Sight.of({entry.athlete_id for entry in entries})
        (rows,) = await self._database.fetch(sight, (_LOG_WHAT_IS_FREE, _values(entries)))
        found = _found(rows)
        return [found.get((entry.athlete_id, entry.session_id)) for entry in entries]


async def log(connection: AsyncConnection, entry: Entry) -> Kept:
    """Upserts the sets of one session, all or none; waits for whoever completes it.

    Raises SessionNotFound, or SessionClosed if the session was completed or abandoned too long ago.
    """
    found = _found(await connection.execute(_LOG_AND_WAIT, _values([entry]))).get((entry.athlete_id, entry.session_id))
    if found is None:
        raise SessionNotFound
    kept = found.kept(entry)
    if kept is not None:
        return kept
    # Somebody else logged a newer set meanwhile, which this statement could not see.
    keys = {one.key for one in entry.sets}
    stored = await read(connection, entry.athlete_id, entry.session_id)
    return [one for one in stored if one.logged.key in keys], found.completed_time


@dataclass
class _Found:
    """A session, and those of the sets sent that are kept in it, as far as the statement saw."""

    completed_time: datetime | None
    is_done: bool
    is_given_up: bool
    sets: dict[tuple[str, int], StoredSet] = field(default_factory=dict)

    def kept(self, entry: Entry) -> Kept | None:
        """The sets of an entry as they are kept; None if the statement did not see all. Raises SessionClosed."""
        if self.is_done or self.is_given_up:
            raise entry.windows.closed(completed=self.is_done)
        sets = [self.sets[one.key] for one in entry.sets if one.key in self.sets]
        return (sets, self.completed_time) if len(sets) == len(entry.sets) else None


def _values(entries: Sequence[Entry]) -> Mapping[str, Any]:
    """Sets of different sessions to log or, as if they came one after the other, of the same."""
    entry_of = {(entry.athlete_id, entry.session_id): entry for entry in entries}
    sets: dict[tuple[UUID, UUID], list[LoggedSet]] = {session: [] for session in entry_of}
    for entry in entries:
        sets[entry.athlete_id, entry.session_id] += entry.sets
    return {
        "athlete_ids": [entry.athlete_id for entry in entry_of.values()],
        "session_ids": [entry.session_id for entry in entry_of.values()],
        "corrections": [entry.windows.correction for entry in entry_of.values()],
        "lates": [entry.windows.late for entry in entry_of.values()],
        "rows": msgspec.json.encode(
            [_row(*at, one) for at, sent in sets.items() for one in newest_only(sent)]
        ).decode(),
    }


def _found(rows: Iterable[Any]) -> dict[tuple[UUID, UUID], _Found]:
    """What a statement answered, by session."""
    found: dict[tuple[UUID, UUID], _Found] = {}
    for row in rows:
        at = (row.athlete_id, row.session_id)
        session = found.setdefault(at, _Found(row.completed_time, row.is_done, row.is_given_up))
        if row.slot is not None:
            stored = _stored_set(row)
            session.sets[stored.logged.key] = stored
    return found


async def read(connection: AsyncConnection, athlete_id: UUID, session_id: UUID) -> list[StoredSet]:
    """The sets of one session, deleted ones too, by slot, exercise and index."""
    mine = and_(workout_sets.c.athlete_id == athlete_id, workout_sets.c.session_id == session_id)
    order = (workout_sets.c.slot, workout_sets.c.exercise_name, workout_sets.c.set_index)
    rows = await connection.execute(select(workout_sets).where(mine).order_by(*order))
    return [_stored_set(row) for row in rows]


def _row(athlete_id: UUID, session_id: UUID, logged: LoggedSet) -> Mapping[str, object]:
    return {
        "athlete_id": athlete_id,
        "session_id": session_id,
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


def _stored_set(row: Any) -> StoredSet:
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

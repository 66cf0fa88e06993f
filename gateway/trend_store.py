"""Reads trends. They rest on what was stored with each session, so they never change afterwards."""

from datetime import datetime
from uuid import UUID

import msgspec
from sqlalchemy import ColumnElement, Numeric, and_, cast, func, lateral, select, true, tuple_

from gateway.domain.inputs import Inputs
from gateway.domain.plan import State
from gateway.domain.session import Status
from gateway.domain.trends import TrendPoint, Volume
from gateway.tables import sessions, workout_sets
from shared.db import AsyncDatabase
from shared.walls import Sight

_DONE = and_(
    workout_sets.c.athlete_id == sessions.c.athlete_id,
    workout_sets.c.session_id == sessions.c.session_id,
    ~workout_sets.c.is_warmup,
    ~workout_sets.c.is_deleted,
)
_VOLUME = lateral(
    select(
        func.count().label("sets"),
        func.coalesce(func.sum(workout_sets.c.reps), 0).label("reps"),
        func.coalesce(func.sum(workout_sets.c.seconds), 0).label("seconds"),
        func.coalesce(func.sum(cast(workout_sets.c.weight_kg, Numeric) * workout_sets.c.reps), 0).label("load_kg"),
    ).where(_DONE)
)
_POINTS = select(
    sessions.c.session_id, sessions.c.started_time, sessions.c.status, sessions.c.state, sessions.c.inputs, *_VOLUME.c
).join(_VOLUME, true())


class TrendStore:
    """Sessions as points of a time line."""

    def __init__(self, database: AsyncDatabase) -> None:
        self._database = database

    async def page(
        self, athlete_id: UUID, size: int, before: tuple[datetime, UUID] | None, since: datetime | None
    ) -> list[TrendPoint]:
        """At most `size` points, newest first, before the given place and not before a moment."""
        place = (sessions.c.started_time, sessions.c.session_id)
        wanted: list[ColumnElement[bool]] = [sessions.c.athlete_id == athlete_id]
        if before is not None:
            wanted.append(tuple_(*place) < before)
        if since is not None:
            wanted.append(sessions.c.started_time >= since)
        statement = _POINTS.where(*wanted).order_by(*(column.desc() for column in place)).limit(size)
        async with self._database.autocommit(Sight.of([athlete_id])) as connection:
            rows = (await connection.execute(statement)).all()
        points = []
        for row in rows:
            inputs = msgspec.convert(row.inputs, Inputs)
            volume = Volume(row.sets, row.reps, row.seconds, float(row.load_kg))
            points.append(
                TrendPoint(
                    row.session_id,
                    row.started_time,
                    Status(row.status),
                    inputs.check_in,
                    State(row.state),
                    inputs.ledger,
                    inputs.profile,
                    volume,
                )
            )
        return points

"""Reads the past sessions of all athletes, for operators who compare rules: the only SQL that names no athlete."""

from datetime import datetime
from uuid import UUID

import msgspec
from sqlalchemy import ColumnElement, func, select, true, tuple_

from gateway.domain.comparison import PastSession
from gateway.domain.inputs import Inputs
from gateway.domain.plan import Plan
from gateway.tables import sessions
from shared.db import AsyncDatabase
from shared.walls import EVERYONE


class HistoryStore:
    """Past sessions, oldest first."""

    def __init__(self, database: AsyncDatabase) -> None:
        self._database = database

    async def page(self, since: datetime | None, after: tuple[datetime, UUID] | None, size: int) -> list[PastSession]:
        """At most `size` sessions after the given place. Raises DependencyUnavailable."""
        place = (sessions.c.started_time, sessions.c.session_id)
        columns = (*place, sessions.c.athlete_id, sessions.c.inputs, sessions.c.plan)
        statement = select(*columns).where(_since(since)).order_by(*place).limit(size)
        if after is not None:
            statement = statement.where(tuple_(*place) > after)
        async with self._database.autocommit(EVERYONE) as connection:
            return [
                PastSession(
                    row.athlete_id,
                    row.session_id,
                    row.started_time,
                    msgspec.convert(row.inputs, Inputs),
                    msgspec.convert(row.plan, Plan),
                )
                for row in await connection.execute(statement)
            ]

    async def count(self, since: datetime | None) -> int:
        """How many sessions there are. Raises DependencyUnavailable."""
        async with self._database.autocommit(EVERYONE) as connection:
            return (
                await connection.execute(select(func.count()).select_from(sessions).where(_since(since)))
            ).scalar_one()


def _since(since: datetime | None) -> ColumnElement[bool]:
    return true() if since is None else sessions.c.started_time >= since

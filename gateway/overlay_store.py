"""Keeps the overlays of athletes: versions that are only ever added to; the last one of an athlete is in force."""

from collections.abc import Collection, Iterable
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import ARRAY, ColumnElement, Row, Uuid, any_, bindparam, insert, select
from sqlalchemy.dialects.postgresql import distinct_on

from gateway.domain.overlay import Overlay, OverlayInForce, OverlayVersion
from gateway.tables import overlays
from shared.db import AsyncDatabase
from shared.prepared import Asked, Prepared
from shared.rules_loader import Loaded
from shared.walls import EVERYONE, Sight

# What operators want to know of a version; the content is for planning alone.
_VERSION: tuple[ColumnElement[Any], ...] = (
    overlays.c.athlete_id,
    overlays.c.content_hash,
    overlays.c.yaml,
    overlays.c.author,
    overlays.c.note,
    overlays.c.created_time,
)
_LAST = Prepared(
    select(overlays.c.athlete_id, overlays.c.content_hash, overlays.c.overlay)
    .ext(distinct_on(overlays.c.athlete_id))
    .where(overlays.c.athlete_id == any_(bindparam("athlete_ids", type_=ARRAY(Uuid))))
    .order_by(overlays.c.athlete_id, overlays.c.overlay_id.desc())
)


def last_of(athlete_ids: Collection[UUID]) -> Asked:
    """Asks for the last version of these athletes."""
    return _LAST, {"athlete_ids": list(athlete_ids)}


def in_force(rows: Iterable[Any]) -> dict[UUID, OverlayInForce]:
    """The overlays among the versions that were asked for; a version may say that there is none any more."""
    return {
        row.athlete_id: OverlayInForce(row.content_hash, msgspec.convert(row.overlay, Overlay))
        for row in rows
        if row.overlay is not None
    }


class OverlayStore:
    """Overlays of all athletes."""

    def __init__(self, database: AsyncDatabase) -> None:
        self._database = database

    async def in_force(self, athlete_ids: Collection[UUID]) -> dict[UUID, OverlayInForce]:
        """The overlays to plan these athletes by; who has none is not in it. Raises DependencyUnavailable."""
        (rows,) = await self._database.fetch(Sight.of(athlete_ids), last_of(athlete_ids))
        return in_force(rows)

    async def versions(self, athlete_id: UUID, most: int) -> list[OverlayVersion]:
        """The last versions of an athlete, newest first. Raises DependencyUnavailable."""
        newest_first = (
            select(*_VERSION).where(overlays.c.athlete_id == athlete_id).order_by(overlays.c.overlay_id.desc())
        )
        async with self._database.autocommit(Sight.of([athlete_id])) as connection:
            return [_version(row) for row in await connection.execute(newest_first.limit(most))]

    async def page(self, after: UUID | None, size: int) -> list[OverlayVersion]:
        """At most `size` overlays in force, by athlete, those after one. Raises DependencyUnavailable."""
        last = (
            select(*_VERSION)
            .distinct(overlays.c.athlete_id)
            .order_by(overlays.c.athlete_id, overlays.c.overlay_id.desc())
        )
        if after is not None:
            last = last.where(overlays.c.athlete_id > after)
        lasting = last.subquery()
        set_ones = select(lasting).where(lasting.c.content_hash.is_not(None)).order_by(lasting.c.athlete_id)
        async with self._database.autocommit(EVERYONE) as connection:
            return [_version(row) for row in await connection.execute(set_ones.limit(size))]

    async def put(self, athlete_id: UUID, loaded: Loaded[Overlay], author: str, note: str) -> None:
        """Adds a version. Raises DependencyUnavailable."""
        content = msgspec.to_builtins(loaded.rules)
        await self._add(athlete_id, author, note, content_hash=loaded.content_hash, yaml=loaded.text, overlay=content)

    async def clear(self, athlete_id: UUID, author: str, note: str) -> None:
        """Adds a version that says that there is no overlay any more. Raises DependencyUnavailable."""
        await self._add(athlete_id, author, note)

    async def _add(self, athlete_id: UUID, author: str, note: str, **content: Any) -> None:
        async with self._database.autocommit(Sight.of([athlete_id])) as connection:
            row = insert(overlays).values(athlete_id=athlete_id, author=author, note=note, **content)
            await connection.execute(row)


def _version(row: Row[Any]) -> OverlayVersion:
    return OverlayVersion(
        row.athlete_id, row.content_hash or "", row.yaml or "", row.author, row.note, row.created_time
    )

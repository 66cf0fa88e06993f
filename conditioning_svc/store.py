"""Keeps levels and benchmarks: the only SQL of conditioning."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import chain
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    CheckConstraint,
    Column,
    Connection,
    DateTime,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    Uuid,
    and_,
    any_,
    bindparam,
    exists,
    func,
    select,
    text,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import distinct_on, insert

from conditioning_svc.domain import (
    Benchmark,
    BenchmarkMeasured,
    BenchmarkRecord,
    BenchmarkSource,
    ConditioningEvent,
    Done,
    Failed,
    LevelCompleted,
    LevelFailed,
    Profile,
    Standing,
    complete,
    counted,
)
from conditioning_svc.rules import ConditioningRules, Protocol
from shared.crashpoints import Crashpoint, reach
from shared.db import Database, one_at_a_time
from shared.erasure import erasures_table, still_wanted
from shared.prepared import Asked, Prepared
from shared.rules_shelf import rules_table
from shared.walls import Sight

SCHEMA = "conditioning"
metadata = MetaData(schema=SCHEMA)
rules = rules_table(metadata)
erasures = erasures_table(metadata)

levels = Table(
    "levels",
    metadata,
    Column("athlete_id", Uuid, primary_key=True),
    Column("protocol", Text, primary_key=True),
    Column("level", Integer, CheckConstraint("level >= 1"), nullable=False),
    Column("epoch", Integer, CheckConstraint("epoch >= 0"), nullable=False),
    Column("last_done_time", DateTime(timezone=True), nullable=False),
)
# Never updated: a newer benchmark supersedes an older one from its time on.
benchmarks = Table(
    "benchmarks",
    metadata,
    Column("athlete_id", Uuid, primary_key=True),
    Column("protocol", Text, primary_key=True),
    Column("equipment", Text, primary_key=True),
    Column("measured_time", DateTime(timezone=True), primary_key=True),
    Column("session_id", Uuid, primary_key=True),
    Column("average_watts", Integer, CheckConstraint("average_watts BETWEEN 1 AND 2000"), nullable=False),
    Column(
        "source",
        Text,
        CheckConstraint("source IN ('TIME_TRIAL', 'MANUAL')"),
        nullable=False,
        server_default="TIME_TRIAL",
    ),
    Index("benchmarks_by_time", "athlete_id", text("measured_time DESC"), text("session_id DESC")),
)
inbox = Table(
    "inbox",
    metadata,
    Column("event_id", Uuid, primary_key=True),
    Column("athlete_id", Uuid, nullable=False),
    Column("session_id", Uuid, nullable=False),
    Column("protocol", Text, nullable=False),
    Column("planned_level", Integer),
    Column("failed_level", Integer),
    Column("epoch", Integer),
    Column("average_watts", Integer),
    Column("completed_time", DateTime(timezone=True), nullable=False),
    Column("received_time", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Index("inbox_by_athlete", "athlete_id", "completed_time"),
    Index(
        "inbox_failures", "athlete_id", "protocol", "completed_time", postgresql_where=text("failed_level IS NOT NULL")
    ),
)

_ATHLETES = bindparam("athlete_ids", type_=ARRAY(Uuid))
_LEVELS = Prepared(select(levels).where(levels.c.athlete_id == any_(_ATHLETES)))
_BENCHMARKS = Prepared(
    select(benchmarks)
    .ext(distinct_on(benchmarks.c.athlete_id, benchmarks.c.protocol, benchmarks.c.equipment))
    .where(benchmarks.c.athlete_id == any_(_ATHLETES))
    .order_by(
        benchmarks.c.athlete_id,
        benchmarks.c.protocol,
        benchmarks.c.equipment,
        benchmarks.c.measured_time.desc(),
        benchmarks.c.session_id.desc(),
    )
)
_newer = benchmarks.alias("newer")
_SUPERSEDED = exists().where(
    _newer.c.athlete_id == benchmarks.c.athlete_id,
    _newer.c.protocol == benchmarks.c.protocol,
    _newer.c.equipment == benchmarks.c.equipment,
    tuple_(_newer.c.measured_time, _newer.c.session_id) > tuple_(benchmarks.c.measured_time, benchmarks.c.session_id),
)
_HISTORY = (
    select(benchmarks, (~_SUPERSEDED).label("in_force"))
    .where(benchmarks.c.athlete_id == bindparam("athlete_id", type_=Uuid))
    .order_by(benchmarks.c.measured_time.desc(), benchmarks.c.session_id.desc(), benchmarks.c.protocol)
)
# One range of `inbox_by_athlete` for each athlete. A time trial is two events, and counts once: by its level.
_RECENT = Prepared(
    select(inbox.c.athlete_id, inbox.c.protocol, inbox.c.completed_time)
    .where(
        inbox.c.athlete_id == any_(_ATHLETES),
        inbox.c.completed_time > bindparam("since", type_=DateTime(timezone=True)),
        inbox.c.planned_level.is_not(None),
    )
    .order_by(inbox.c.completed_time.desc(), inbox.c.event_id)
)
# For each protocol its failures since it was last done, one range of `inbox_failures`: those before count no more, and
# there may be many. MATERIALIZED and OFFSET keep the planner from another order, in which it would read all of them.
_FAILURES = Prepared(
    text("""
WITH done AS MATERIALIZED (
  SELECT athlete, tried, coalesce(last_done_time, '-infinity') AS since
  FROM unnest(:athlete_ids) AS athlete
  CROSS JOIN unnest(:protocols) AS tried
  LEFT JOIN conditioning.levels ON athlete_id = athlete AND protocol = tried
)
SELECT failed.*
FROM done CROSS JOIN LATERAL (
  SELECT athlete_id, protocol, failed_level, epoch, completed_time
  FROM conditioning.inbox
  WHERE athlete_id = athlete AND protocol = tried AND completed_time > since AND failed_level IS NOT NULL
  OFFSET 0
) AS failed
""").bindparams(_ATHLETES, bindparam("protocols", list(Protocol), type_=ARRAY(Text)))
)


class ProfileStore:
    """Conditioning profiles of all athletes."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def profiles(self, athlete_ids: Iterable[UUID], since: datetime | None = None) -> dict[UUID, Profile]:
        """The profiles of these athletes, an empty one for who is unknown. Raises DependencyUnavailable.

        `since` asks for the work that was verified after it; without it none is looked up.
        """
        wanted = list(athlete_ids)
        standings: dict[UUID, dict[Protocol, Standing]] = {athlete_id: {} for athlete_id in wanted}
        current: dict[UUID, dict[tuple[Protocol, str], Benchmark]] = {athlete_id: {} for athlete_id in wanted}
        recent: dict[UUID, list[Done]] = {athlete_id: [] for athlete_id in wanted}
        failures: dict[UUID, list[Failed]] = {athlete_id: [] for athlete_id in wanted}
        asked: list[Asked] = [(one, {"athlete_ids": wanted}) for one in (_LEVELS, _BENCHMARKS, _FAILURES)]
        if since is not None:
            asked.append((_RECENT, {"athlete_ids": wanted, "since": since}))
        reached, measured, tried, *done = self._database.fetch(Sight.of(wanted), *asked)
        for row in reached:
            standings[row.athlete_id][Protocol(row.protocol)] = Standing(row.level, row.epoch, row.last_done_time)
        for row in measured:
            benchmark = Benchmark(row.average_watts, row.measured_time, row.session_id)
            current[row.athlete_id][Protocol(row.protocol), row.equipment] = benchmark
        for row in tried:
            failed = Failed(Protocol(row.protocol), row.failed_level, row.epoch, row.completed_time)
            failures[row.athlete_id].append(failed)
        for row in chain.from_iterable(done):
            recent[row.athlete_id].append(Done(Protocol(row.protocol), row.completed_time))
        return {
            known: Profile(
                standings[known], current[known], tuple(recent[known]), counted(failures[known], standings[known])
            )
            for known in wanted
        }

    def history(self, athlete_id: UUID, limit: int, place: tuple[datetime, UUID] | None) -> list[BenchmarkRecord]:
        """At most `limit` benchmarks, newest first, from a place on. Raises DependencyUnavailable."""
        statement = _HISTORY.limit(limit)
        if place is not None:
            statement = statement.where(tuple_(benchmarks.c.measured_time, benchmarks.c.session_id) <= place)
        with self._database.autocommit(Sight.of([athlete_id])) as connection:
            return [
                BenchmarkRecord(
                    Protocol(row.protocol),
                    row.equipment,
                    Benchmark(row.average_watts, row.measured_time, row.session_id),
                    BenchmarkSource(row.source),
                    row.in_force,
                )
                for row in connection.execute(statement, {"athlete_id": athlete_id})
            ]

    def record(self, events: Sequence[tuple[ConditioningEvent, ConditioningRules]]) -> None:
        """Applies the events that were not applied before, all or none, each by the rules that it was planned by.

        What came to be before its athlete was erased is left out.
        Raises DependencyUnavailable.
        """
        with self._database.transaction(Sight.of(event.athlete_id for event, _ in events)) as connection:
            one_at_a_time(connection, SCHEMA, (event.athlete_id for event, _ in events))
            wanted = still_wanted(connection, erasures, [event for event, _ in events])
            for event, rules in events:
                if event not in wanted or not _receive(connection, event):
                    continue
                if isinstance(event.effect, LevelCompleted):
                    _move_level(connection, event, event.effect, rules)
                elif isinstance(event.effect, BenchmarkMeasured):
                    _keep_benchmark(connection, event, event.effect)
            reach(Crashpoint.EFFECT_WRITTEN)
        reach(Crashpoint.EFFECT_COMMITTED)


def _receive(connection: Connection, event: ConditioningEvent) -> bool:
    """Puts the event into the inbox; False if it was there already."""
    effect = event.effect
    row = {
        "event_id": event.event_id,
        "athlete_id": event.athlete_id,
        "session_id": event.session_id,
        "protocol": effect.protocol,
        "completed_time": event.completed_time,
    }
    if isinstance(effect, LevelCompleted):
        row |= {"planned_level": effect.planned_level, "epoch": effect.epoch}
    elif isinstance(effect, LevelFailed):
        row |= {"failed_level": effect.planned_level, "epoch": effect.epoch}
    else:
        row |= {"average_watts": effect.average_watts}
    fresh = connection.execute(insert(inbox).values(row).on_conflict_do_nothing().returning(inbox.c.event_id))
    return fresh.first() is not None


def _move_level(
    connection: Connection, event: ConditioningEvent, done: LevelCompleted, rules: ConditioningRules
) -> None:
    first = Standing()
    reached = complete(Standing(epoch=done.epoch), done, event.completed_time, rules.protocols[done.protocol])
    if done.epoch == first.epoch:
        row = insert(levels).values(
            athlete_id=event.athlete_id,
            protocol=done.protocol,
            level=first.level,
            epoch=first.epoch,
            last_done_time=event.completed_time,
        )
        connection.execute(row.on_conflict_do_nothing())
    mine = and_(levels.c.athlete_id == event.athlete_id, levels.c.protocol == done.protocol)
    connection.execute(
        update(levels)
        .where(mine, levels.c.epoch == done.epoch)
        .values(
            level=func.greatest(levels.c.level, reached.level),
            last_done_time=func.greatest(levels.c.last_done_time, event.completed_time),
        )
    )


def _keep_benchmark(connection: Connection, event: ConditioningEvent, measured: BenchmarkMeasured) -> None:
    connection.execute(
        insert(benchmarks)
        .values(
            athlete_id=event.athlete_id,
            protocol=measured.protocol,
            equipment=measured.equipment,
            measured_time=event.completed_time,
            session_id=event.session_id,
            average_watts=measured.average_watts,
            source=measured.source,
        )
        .on_conflict_do_nothing()
    )

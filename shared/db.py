"""PostgreSQL, the one storage: connections, and what callers see when it does not answer.

Statements that stand alone run in autocommit (one round trip less), others together in one transaction. Both say whose
rows they see, and PostgreSQL shows no others (`shared.walls`). That travels ahead of each statement in the same round
trip and ends with its transaction, so nothing of it is left for whoever gets the connection next. Connection loss,
timeouts and an exhausted pool become DependencyUnavailable; everything else that PostgreSQL refuses is a bug.

A pooler that lends a server's connection for one transaction fits this: a statement and what says whose rows it sees
are one. Only statements prepared on one connection would be missing on the next, so with `pooler` none are.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any
from uuid import UUID

import psycopg
from psycopg.rows import namedtuple_row
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from shared import tracing
from shared.errors import DependencyUnavailable
from shared.prepared import Asked
from shared.settings import TRANSACTION
from shared.walls import Sight

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

POOL_SIZE = 8
POOL_TIMEOUT_SECONDS = 2.0
CONNECT_TIMEOUT_SECONDS = 3

_SEE = "SELECT set_config(%s, %s, true)"
# On a connection that was lost, it makes SQLAlchemy forget all that are as old.
_STILL_THERE = "SELECT 1"
_NO_ANSWER = "the database does not answer; retry in a moment"
_sight: ContextVar[Sight | None] = ContextVar("sight", default=None)


class _SightedCursor(psycopg.Cursor[Any]):
    """Says whose rows a statement sees, ahead of it in one pipeline: one round trip, and one transaction, for both."""

    def execute(self, query: Any, params: Any = None, **options: Any) -> "_SightedCursor":
        sight = _sight.get()
        if sight is None:
            return super().execute(query, params, **options)
        with self.connection.pipeline():
            psycopg.Cursor(self.connection).execute(_SEE, (sight.setting, sight.value))
            return super().execute(query, params, **options)


class _AsyncSightedCursor(psycopg.AsyncCursor[Any]):
    """The same in an event loop."""

    async def execute(self, query: Any, params: Any = None, **options: Any) -> "_AsyncSightedCursor":
        sight = _sight.get()
        if sight is None:
            return await super().execute(query, params, **options)
        async with self.connection.pipeline():
            await psycopg.AsyncCursor(self.connection).execute(_SEE, (sight.setting, sight.value))
            return await super().execute(query, params, **options)


class Database:
    """Blocking access to one database, for the threads of a sync server."""

    def __init__(self, url: str, *, pooler: str = "") -> None:
        self._engine = create_engine(_with_driver(url), **_pool_options(_SightedCursor, pooler))
        tracing.watch(self._engine)
        self._in_transactions = self._engine.execution_options(isolation_level="READ COMMITTED")

    @contextmanager
    def autocommit(self, sight: Sight | None = None) -> Iterator[Connection]:
        """A connection whose statements stand alone; they see rows of athletes only by `sight`."""
        with _unavailable_when_lost(), _seeing(sight), self._engine.connect() as connection:
            yield connection

    @contextmanager
    def transaction(self, sight: Sight | None = None) -> Iterator[Connection]:
        """A connection in a transaction, committed at the end unless something was raised."""
        with _unavailable_when_lost(), _seeing(sight), self._in_transactions.begin() as connection:
            yield connection

    def fetch(self, sight: Sight, *asked: Asked) -> list[list[Any]]:
        """The rows of each statement, by the names of their columns. All are one round trip and one transaction.

        Raises DependencyUnavailable.
        """
        with _unavailable_when_lost(), self._engine.connect() as connection:
            # SQLAlchemy types it by an interface of its own.
            driver: psycopg.Connection = connection.connection.driver_connection  # type: ignore[assignment]
            try:
                with tracing.asking(statement.text for statement, _ in asked), driver.pipeline():
                    psycopg.Cursor(driver).execute(_SEE, (sight.setting, sight.value))
                    cursors = [
                        psycopg.Cursor(driver, row_factory=namedtuple_row).execute(*statement.with_values(values))
                        for statement, values in asked
                    ]
                return [cursor.fetchall() for cursor in cursors]
            except psycopg.OperationalError:
                connection.exec_driver_sql(_STILL_THERE)
                raise

    def probe(self, question: str) -> Sequence[Any] | None:
        """The row that a statement answers; None if it asks for what is not there. Raises DependencyUnavailable."""
        with suppress(DependencyUnavailable):
            return self._probe(question)
        # A connection from before a restart tells of the past: losing it makes the next one new.
        return self._probe(question)

    def _probe(self, question: str) -> Sequence[Any] | None:
        with suppress(ProgrammingError), self.autocommit() as connection:
            return connection.execute(text(question)).first()
        return None

    def close(self) -> None:
        """Closes every connection."""
        self._engine.dispose()


class AsyncDatabase:
    """Access to one database from an event loop."""

    def __init__(self, url: str, *, pooler: str = "") -> None:
        from sqlalchemy.ext.asyncio import create_async_engine  # noqa: PLC0415 - slow; services with threads go without

        options = _pool_options(_AsyncSightedCursor, pooler)
        self._engine = create_async_engine(_with_driver(url), **options)
        tracing.watch(self._engine.sync_engine)
        self._in_transactions = self._engine.execution_options(isolation_level="READ COMMITTED")

    @asynccontextmanager
    async def autocommit(self, sight: Sight | None = None) -> AsyncIterator["AsyncConnection"]:
        """A connection whose statements stand alone; they see rows of athletes only by `sight`."""
        with _unavailable_when_lost(), _seeing(sight):
            async with self._engine.connect() as connection:
                yield connection

    @asynccontextmanager
    async def transaction(self, sight: Sight | None = None) -> AsyncIterator["AsyncConnection"]:
        """A connection in a transaction, committed at the end unless something was raised."""
        with _unavailable_when_lost(), _seeing(sight):
            async with self._in_transactions.begin() as connection:
                yield connection

    @asynccontextmanager
    async def snapshot(self, sight: Sight | None = None) -> AsyncIterator["AsyncConnection"]:
        """A connection whose statements all see the database as it is at the first of them."""
        with _unavailable_when_lost(), _seeing(sight):
            async with self._engine.execution_options(isolation_level="REPEATABLE READ").begin() as connection:
                yield connection

    async def fetch(self, sight: Sight, *asked: Asked) -> list[list[Any]]:
        """The rows of each statement, by the names of their columns. All are one round trip and one transaction.

        Raises DependencyUnavailable.
        """
        with _unavailable_when_lost():
            async with self._engine.connect() as connection:
                # As above.
                driver: psycopg.AsyncConnection = (await connection.get_raw_connection()).driver_connection  # type: ignore[assignment]
                try:
                    with tracing.asking(statement.text for statement, _ in asked):
                        async with driver.pipeline():
                            await psycopg.AsyncCursor(driver).execute(_SEE, (sight.setting, sight.value))
                            cursors = [
                                await psycopg.AsyncCursor(driver, row_factory=namedtuple_row).execute(
                                    *statement.with_values(values)
                                )
                                for statement, values in asked
                            ]
                    return [await cursor.fetchall() for cursor in cursors]
                except psycopg.OperationalError:
                    await connection.exec_driver_sql(_STILL_THERE)
                    raise
                except asyncio.CancelledError:
                    await connection.invalidate()  # nobody knows how far it came
                    raise

    async def probe(self, question: str) -> Sequence[Any] | None:
        """The row that a statement answers; None if it asks for what is not there. Raises DependencyUnavailable."""
        with suppress(DependencyUnavailable):
            return await self._probe(question)
        return await self._probe(question)  # as above

    async def _probe(self, question: str) -> Sequence[Any] | None:
        with suppress(ProgrammingError):
            async with self.autocommit() as connection:
                return (await connection.execute(text(question))).first()
        return None

    async def close(self) -> None:
        """Closes every connection."""
        await self._engine.dispose()


def one_at_a_time(connection: Connection, schema: str, athlete_ids: Iterable[UUID]) -> None:
    """Makes transactions that change the same athletes in a schema wait for each other; they cannot deadlock.

    PostgreSQL's advisory locks belong to the whole database: without the schema in the key, a service that hangs in the
    middle of a transaction would stop the others.
    """
    keys = sorted({_lock_key(schema, athlete_id) for athlete_id in athlete_ids})
    lock = text("SELECT pg_advisory_xact_lock(key) FROM unnest(CAST(:keys AS bigint[])) AS key")
    connection.execute(lock, {"keys": keys})


def _lock_key(schema: str, athlete_id: UUID) -> int:
    digest = hashlib.blake2b(athlete_id.bytes, digest_size=8, person=schema.encode())
    return int.from_bytes(digest.digest(), signed=True)


@contextmanager
def _seeing(sight: Sight | None) -> Iterator[None]:
    token = _sight.set(sight)
    try:
        yield
    finally:
        _sight.reset(token)


@contextmanager
def _unavailable_when_lost() -> Iterator[None]:
    try:
        yield
    except PoolTimeoutError as error:
        raise DependencyUnavailable("the database is busy; retry in a moment") from error
    except psycopg.OperationalError as error:
        raise DependencyUnavailable(_NO_ANSWER) from error
    except DBAPIError as error:
        # Class 57 (shutting down), 53 (too many connections), 55P03/57014 (timeouts) all arrive as OperationalError.
        if error.connection_invalidated or isinstance(error.orig, psycopg.OperationalError):
            raise DependencyUnavailable(_NO_ANSWER) from error
        raise


def _with_driver(url: str) -> str:
    return make_url(url).set(drivername="postgresql+psycopg").render_as_string(hide_password=False)


def _pool_options(cursor: type, pooler: str) -> dict[str, object]:
    connecting: dict[str, object] = {"connect_timeout": CONNECT_TIMEOUT_SECONDS, "cursor_factory": cursor}
    if pooler == TRANSACTION:
        connecting["prepare_threshold"] = None
    return {
        # Most statements stand alone. A connection that has to be switched to it costs them a third more.
        "isolation_level": "AUTOCOMMIT",
        "pool_size": POOL_SIZE,
        "max_overflow": 0,
        "pool_timeout": POOL_TIMEOUT_SECONDS,
        "pool_use_lifo": True,
        "connect_args": connecting,
    }

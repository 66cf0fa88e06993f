"""When there is no database, or it was gone for a while."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import text

from conditioning_svc.rules import Protocol
from conditioning_svc.store import ProfileStore
from debt_svc.store import LedgerStore
from gateway.domain.session import Delivery, Notes
from gateway.holdings import Held
from readiness_svc.store import CheckInStore
from shared.db import AsyncDatabase, Database
from shared.errors import DependencyUnavailable
from shared.prepared import Prepared
from shared.walls import EVERYONE
from tests.conftest import behind_walls
from tests.integration.service_helpers import (
    ATHLETE,
    Stores,
    execute,
    new_session,
    number_id,
    settle_by_rules,
    with_stores,
)
from tests.integration.stores.helpers import SQUAT, WINDOWS, by_classic, check_in, level, refused, training


@pytest.fixture
def nowhere(tmp_path: Path) -> str:
    """URL of a database that is not there."""
    return f"postgresql://postgres@/flux?host={tmp_path / 'nothing'}"


def test_services_are_unavailable_without_a_database(nowhere: str) -> None:
    database = Database(nowhere)
    calls: list[Callable[[], object]] = [
        lambda: database.probe("SELECT 1"),
        lambda: LedgerStore(database).ledgers([ATHLETE]),
        lambda: LedgerStore(database).record([training(1)]),
        lambda: ProfileStore(database).profiles([ATHLETE]),
        lambda: ProfileStore(database).record(by_classic(level(1, Protocol.SIT, 1))),
        lambda: CheckInStore(database).record([check_in(1)]),
    ]
    for call in calls:
        with pytest.raises(DependencyUnavailable) as raised:
            call()
        assert raised.value.message == "the database does not answer; retry in a moment"
    database.close()


def test_the_gateway_is_unavailable_without_a_database(nowhere: str) -> None:
    session = new_session()

    async def body(stores: Stores) -> None:
        sessions, outbox, session_id = stores.sessions, stores.outbox, session.session_id
        calls: list[Callable[[], Awaitable[object]]] = [
            lambda: sessions.start(session, []),
            lambda: sessions.get(ATHLETE, session_id),
            lambda: sessions.sets(ATHLETE, session_id),
            lambda: sessions.page(ATHLETE, 10, None),
            lambda: sessions.log(ATHLETE, session_id, [SQUAT], WINDOWS),
            lambda: sessions.complete(ATHLETE, session_id, [], Notes(), settle_by_rules),
            lambda: sessions.abandon(ATHLETE, session_id),
            lambda: outbox.hold_due(1),
            lambda: outbox.settle([number_id(1)], Delivery.APPLIED),
            lambda: outbox.let_go([number_id(1)]),
            lambda: outbox.deliveries(ATHLETE, session_id),
        ]
        for call in calls:
            error = await refused(call())
            assert isinstance(error, DependencyUnavailable)
            assert error.message == "the database does not answer; retry in a moment"

    with_stores(nowhere, body)


ALL_ENDED = (
    "SELECT bool_and(pg_terminate_backend(pid, 10000)) FROM pg_stat_activity"
    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
)
SLEEPS = "SELECT 1 FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep(60)%' AND state = 'active'"
replaced_by_pooler = pytest.mark.without_pooler("which replaces a server's connections before a client misses them")


@replaced_by_pooler
def test_a_store_that_lost_its_connections_fails_once_and_recovers(database: Database, database_url: str) -> None:
    store = LedgerStore(database)
    store.record([training(1)])
    with database.autocommit() as one, database.autocommit() as other:
        assert one.connection is not other.connection
    assert execute(database_url, ALL_ENDED) == [(True,)]
    with pytest.raises(DependencyUnavailable):
        store.ledgers([ATHLETE])
    for _ in range(2):
        assert store.ledgers([ATHLETE])[ATHLETE].completed_sessions == 1


@replaced_by_pooler
def test_a_gateway_that_lost_its_connections_fails_once_and_recovers(database_url: str) -> None:
    async def body(stores: Stores) -> None:
        await asyncio.gather(*(stores.holdings.of([ATHLETE]) for _ in range(4)))
        assert await asyncio.to_thread(execute, database_url, ALL_ENDED) == [(True,)]
        assert isinstance(await refused(stores.holdings.of([ATHLETE])), DependencyUnavailable)
        for _ in range(4):
            assert await stores.holdings.of([ATHLETE]) == {ATHLETE: Held()}

    with_stores(database_url, body)


def test_of_several_statements_the_first_that_fails_says_why(database: Database) -> None:
    works, fails = Prepared(text("SELECT 1 AS one")), Prepared(text("SELECT 1 / 0 AS nothing"))
    with pytest.raises(psycopg.errors.DivisionByZero):
        database.fetch(EVERYONE, (works, {}), (fails, {}), (works, {}))
    ((row,),) = database.fetch(EVERYONE, (works, {}))
    assert row.one == 1


def test_a_statement_that_waits_too_long_is_the_database_that_does_not_answer(database: Database) -> None:
    hurried = Prepared(text("SELECT set_config('statement_timeout', '1', true)"))
    sleeps = Prepared(text("SELECT pg_sleep(60)"))
    with pytest.raises(DependencyUnavailable):
        database.fetch(EVERYONE, (hurried, {}), (sleeps, {}))
    assert database.fetch(EVERYONE, (Prepared(text("SELECT 1 AS one")), {})) == [[(1,)]]


def test_what_a_call_was_broken_off_at_is_not_what_the_next_one_hears(database_url: str) -> None:
    async def body(stores: Stores) -> None:
        database = AsyncDatabase(behind_walls(database_url))
        left = asyncio.create_task(database.fetch(EVERYONE, (Prepared(text("SELECT pg_sleep(60)")), {})))
        while not await asyncio.to_thread(execute, database_url, SLEEPS):
            await asyncio.sleep(0.01)
        left.cancel()
        with pytest.raises(asyncio.CancelledError):
            await left
        one = Prepared(text("SELECT 1 AS one"))
        assert await database.fetch(EVERYONE, (one, {}), (one, {})) == [[(1,)], [(1,)]]
        await database.close()

    with_stores(database_url, body)

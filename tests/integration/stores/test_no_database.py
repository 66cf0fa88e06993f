"""When there is no database, or it was gone for a while."""

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from conditioning_svc.rules import Protocol
from conditioning_svc.store import ProfileStore
from debt_svc.store import LedgerStore
from gateway.domain.session import Delivery, Notes
from readiness_svc.store import CheckInStore
from shared.db import Database
from shared.errors import DependencyUnavailable
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


@pytest.mark.without_pooler("which replaces a server's connections before a client misses them")
def test_a_store_that_lost_its_connections_recovers(database: Database, database_url: str) -> None:
    store = LedgerStore(database)
    store.record([training(1)])
    ended = execute(
        database_url,
        "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()",
    )
    assert ended == [(True,)]
    with pytest.raises(DependencyUnavailable):
        store.ledgers([ATHLETE])
    assert store.ledgers([ATHLETE])[ATHLETE].completed_sessions == 1

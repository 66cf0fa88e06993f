"""Batches that meet may wait for each other in one direction only: one comes after the other, and none is refused."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from uuid import UUID

import psycopg

import debt_svc.domain as debt
from conditioning_svc.rules import Protocol
from conditioning_svc.store import ProfileStore
from debt_svc.store import LedgerStore
from readiness_svc.store import CheckInStore
from shared.db import Database
from tests.integration.service_helpers import ATHLETE, execute, number_id
from tests.integration.stores.helpers import by_classic, check_in, level, training


@contextmanager
def taken(database_url: str, table: str, columns: str, *event_ids: UUID) -> Iterator[Callable[[], None]]:
    """Keeps these events from being received, until the function is called that is yielded."""
    with psycopg.connect(database_url) as taker:
        for event_id in event_ids:
            taker.execute(f"INSERT INTO {table} SELECT %s, {columns}".encode(), [event_id])
        yield taker.rollback


def until_blocked(database_url: str, *running: Future[None]) -> None:
    """Returns once all of these wait for a lock of the database."""
    with psycopg.connect(database_url, autocommit=True) as watcher:
        blocked = (-1,)
        while blocked != (len(running),):
            assert not any(future.done() for future in running)
            row = watcher.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
            ).fetchone()
            assert row is not None
            blocked = row


def errors(*running: Future[None]) -> list[BaseException | None]:
    return [future.exception() for future in running]


def test_batches_of_conditioning_for_one_athlete_do_not_block_each_other(database: Database, database_url: str) -> None:
    store = ProfileStore(database)
    batches = [
        [level(1, Protocol.HIIT, 1), level(3, Protocol.SIT, 1)],
        [level(2, Protocol.SIT, 1), level(4, Protocol.HIIT, 1)],
    ]
    row = "gen_random_uuid(), gen_random_uuid(), 'HIIT', 1, 0, NULL, now(), now()"
    # Each batch is stopped between its two events.
    with (
        ThreadPoolExecutor(2) as threads,
        taken(database_url, "conditioning.inbox", row, number_id(3), number_id(4)) as release,
    ):
        running = [threads.submit(store.record, by_classic(*batch)) for batch in batches]
        until_blocked(database_url, *running)
        release()
        assert errors(*running) == [None, None]
    assert {s.level for s in store.profiles([ATHLETE])[ATHLETE].standings.values()} == {2}


def test_batches_of_training_that_share_an_event_do_not_block_each_other(database: Database, database_url: str) -> None:
    store = LedgerStore(database)
    history = [training(1), training(2), training(3)]
    row = "gen_random_uuid(), gen_random_uuid(), 1, '{}', now(), now()"
    # The first batch is stopped between its events, and the second one has the last of them.
    with ThreadPoolExecutor(2) as threads, taken(database_url, "debt.inbox", row, number_id(2)) as release:
        first = threads.submit(store.record, history)
        until_blocked(database_url, first)
        second = threads.submit(store.record, history[-1:])
        until_blocked(database_url, first, second)
        release()
        assert errors(first, second) == [None, None]
    assert store.ledgers([ATHLETE])[ATHLETE] == debt.replay(history)


def test_batches_of_check_ins_in_opposite_order_do_not_block_each_other(database: Database, database_url: str) -> None:
    store = CheckInStore(database)
    batches = [[check_in(1), check_in(5), check_in(2)], [check_in(2), check_in(6), check_in(1)]]
    row = "gen_random_uuid(), gen_random_uuid(), 0, 0, 'GREEN', now()"
    with (
        ThreadPoolExecutor(2) as threads,
        taken(database_url, "readiness.check_ins", row, number_id(5), number_id(6)) as release,
    ):
        running = [threads.submit(store.record, batch) for batch in batches]
        until_blocked(database_url, *running)
        release()
        assert errors(*running) == [None, None]
    assert execute(database_url, "SELECT count(*) FROM readiness.check_ins") == [(4,)]

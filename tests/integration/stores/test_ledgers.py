"""The ledger of debt: what is kept of training, once and as a whole."""

import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

import debt_svc.domain as debt
from debt_svc.store import LedgerStore
from shared.db import Database, one_at_a_time
from tests.integration.service_helpers import ATHLETE, STRANGER, execute
from tests.integration.stores.helpers import FEW, training


def test_a_ledger_is_empty_until_something_is_recorded(database: Database) -> None:
    store = LedgerStore(database)
    store.record([training(1, athlete=STRANGER)])
    assert store.ledgers([ATHLETE, ATHLETE]) == {ATHLETE: debt.Ledger()}
    assert store.ledgers([]) == {}


@FEW
@given(data=st.data())
def test_a_ledger_is_what_the_history_adds_up_to(database: Database, data: st.DataObject) -> None:
    athlete = uuid.uuid4()
    some_slots = st.lists(st.sampled_from(["SQUAT", "PUSH", "CORE:SAGITTAL"]), unique=True)
    history = [
        replace(training(number, slots, athlete=athlete), event_id=uuid.uuid4())
        for number, slots in enumerate(data.draw(st.lists(some_slots, min_size=1, max_size=5)), start=1)
    ]
    arrivals = data.draw(st.lists(st.sampled_from(history), min_size=1, max_size=10))
    cut = data.draw(st.integers(0, len(arrivals)))
    store = LedgerStore(database)
    for batch in filter(None, (arrivals[:cut], arrivals[cut:])):
        store.record(batch)
    assert store.ledgers([athlete])[athlete] == debt.replay(arrivals)


def test_a_batch_of_training_is_recorded_as_a_whole_or_not_at_all(database: Database, database_url: str) -> None:
    store = LedgerStore(database)
    with pytest.raises(Exception, match="session_number"):
        store.record([training(1), training(2), training(0, event=3)])
    assert store.ledgers([ATHLETE])[ATHLETE] == debt.Ledger()
    assert execute(database_url, "SELECT count(*) FROM debt.inbox") == [(0,)]


def test_concurrent_deliveries_of_the_same_training_count_once(database: Database, database_url: str) -> None:
    store = LedgerStore(database)
    history = [training(number) for number in range(1, 6)]
    with ThreadPoolExecutor(4) as threads:
        for done in [threads.submit(store.record, history) for _ in range(4)]:
            done.result()
    assert store.ledgers([ATHLETE])[ATHLETE] == debt.replay(history)
    assert execute(database_url, "SELECT count(*) FROM debt.inbox") == [(5,)]


def test_a_service_that_hangs_in_the_middle_of_an_athlete_stops_no_other(database: Database) -> None:
    store = LedgerStore(database)
    with database.transaction() as hanging:
        one_at_a_time(hanging, "readiness", [ATHLETE])
        store.record([training(1)])
    assert store.ledgers([ATHLETE])[ATHLETE] == debt.replay([training(1)])

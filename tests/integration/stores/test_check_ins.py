"""Check-ins are kept as a whole or not at all."""

import pytest

from readiness_svc.store import CheckInStore
from shared.db import Database
from tests.integration.service_helpers import execute, number_id
from tests.integration.stores.helpers import check_in


def test_check_ins_are_kept_as_a_whole_or_not_at_all(database: Database, database_url: str) -> None:
    store = CheckInStore(database)
    with pytest.raises(Exception, match="energy"):
        store.record([check_in(1), check_in(2, energy=11)])
    assert execute(database_url, "SELECT count(*) FROM readiness.check_ins") == [(0,)]
    store.record([check_in(1), check_in(2), check_in(1)])
    store.record([check_in(2)])
    assert execute(database_url, "SELECT event_id FROM readiness.check_ins ORDER BY event_id") == [
        (number_id(1),),
        (number_id(2),),
    ]

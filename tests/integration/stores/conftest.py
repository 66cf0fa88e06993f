"""A migrated database for the tests of one store, emptied before each."""

from collections.abc import Iterator

import pytest

from shared.db import Database
from tests.conftest import behind_walls
from tests.integration import service_helpers

module_database_url = service_helpers.module_database_url
database_url = service_helpers.emptied_database_url


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = Database(behind_walls(database_url))
    yield database
    database.close()

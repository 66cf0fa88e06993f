"""A service and the gateway behind their guards, on a database that is emptied before each test."""

from collections.abc import Iterator

import grpc
import pytest

from tests.integration import service_helpers
from tests.integration.guard.helpers import serving_gateway, serving_service

database_url = service_helpers.emptied_database_url


@pytest.fixture
def debt(database_url: str) -> Iterator[grpc.Channel]:
    with serving_service("debt", database_url) as channel:
        yield channel


@pytest.fixture
def the_gateway(database_url: str) -> Iterator[grpc.Channel]:
    with serving_gateway(database_url) as channel:
        yield channel

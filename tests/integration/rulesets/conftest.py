"""An operator who keeps rulesets, and an athlete who trains by them, on the whole stack."""

from collections.abc import Iterator

import grpc
import pytest

from tests.conftest import Stack
from tests.integration import service_helpers
from tests.integration.ruleset_helpers import Operator, Trainee, shipped_only

database_url = service_helpers.emptied_database_url


@pytest.fixture
def channel(stack: Stack) -> Iterator[grpc.Channel]:
    with shipped_only(stack) as channel:
        yield channel


@pytest.fixture
def operator(channel: grpc.Channel) -> Operator:
    return Operator(channel)


@pytest.fixture
def trainee(channel: grpc.Channel, stack: Stack) -> Trainee:
    return Trainee(channel, stack.signer)

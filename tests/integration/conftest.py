"""What several modules of integration tests share."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.client import native
from tests.conftest import Stack
from tests.integration.metered import PARTS, Metered, free_ports
from tests.integration.ruleset_helpers import Trainee


@pytest.fixture(scope="session")
def metered(bytecode_cache: Path) -> Iterator[Metered]:
    port = free_ports(len(PARTS))
    with tempfile.TemporaryDirectory(prefix="flux-data-") as folder:
        stack = Stack(Path(folder) / "data", bytecode_cache, "--metrics-port", str(port))
        yield Metered(stack, port)
        stack.stop()


@pytest.fixture
def trainee(metered: Metered) -> Iterator[Trainee]:
    """An athlete of the metered stack who never trained."""
    with native(metered.stack.address) as channel:
        yield Trainee(channel, metered.stack.signer)

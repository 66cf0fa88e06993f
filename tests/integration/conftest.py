"""What several modules of integration tests share."""

import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.db import Database
from tests.client import native
from tests.conftest import Stack, behind_walls, told_pooler
from tests.integration.metered import PARTS, Metered
from tests.integration.ruleset_helpers import Trainee
from tests.integration.service_helpers import database_named, execute
from tests.ports import free_ports


@pytest.fixture(scope="module")
def module_database_url(postgres: str, migrated_template: str) -> Iterator[str]:
    """URL of a migrated database that the tests of one module share."""
    name = f"module_{uuid.uuid4().hex}"
    execute(postgres, f"CREATE DATABASE {name} TEMPLATE {migrated_template}")
    yield database_named(postgres, name)
    execute(postgres, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """The database of a test, for who may do what all services together may."""
    database = Database(behind_walls(database_url), pooler=told_pooler())
    yield database
    database.close()


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

"""Real parts for tests: one PostgreSQL server for the whole run, and a fresh migrated database for who asks."""

import os
import signal
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

import conditioning_svc.app
import debt_svc.app
import gateway.app
import readiness_svc.app
from shared import embedded_postgres
from shared.settings import DatabaseSettings
from shared.supervisor import Supervisor

TEMPLATE = "migrated"


class FixedClock:
    """A clock that tests set."""

    def __init__(self, now: datetime) -> None:
        self._now = now

    def now(self) -> datetime:
        return self._now

    def advance(self, span: timedelta) -> None:
        self._now += span


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(datetime(2026, 3, 2, 18, 0, tzinfo=UTC))


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """URL of the administration database of a PostgreSQL server of our own."""
    with tempfile.TemporaryDirectory(prefix="flux-test-") as folder:
        root = Path(folder)
        root.chmod(0o755)
        supervisor = Supervisor(root / "logs")
        try:
            cluster = embedded_postgres.prepare(root / "data", root / "sockets")
            embedded_postgres.start(cluster, supervisor, os.environ)
            yield cluster.url
        finally:
            supervisor.stop()


@pytest.fixture(scope="session")
def migrated_template(postgres: str) -> str:
    """Name of a database that every service has migrated, to be copied."""
    url = _create_database(postgres, TEMPLATE)
    for app in (readiness_svc.app, debt_svc.app, conditioning_svc.app, gateway.app):
        app.migrate(DatabaseSettings(database_url=url))
    return TEMPLATE


@pytest.fixture
def empty_database_url(postgres: str) -> Iterator[str]:
    """URL of a database with nothing in it."""
    name = f"empty_{uuid.uuid4().hex}"
    yield _create_database(postgres, name)
    _drop_database(postgres, name)


@pytest.fixture
def database_url(postgres: str, migrated_template: str) -> Iterator[str]:
    """URL of a fresh, migrated database."""
    name = f"test_{uuid.uuid4().hex}"
    yield _create_database(postgres, name, migrated_template)
    _drop_database(postgres, name)


def _create_database(postgres_url: str, name: str, template: str = "template0") -> str:
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
    return postgres_url.replace(f"/{embedded_postgres.DATABASE}?", f"/{name}?")


def _drop_database(postgres_url: str, name: str) -> None:
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def flux_up() -> Callable[..., subprocess.Popen[str]]:
    """Starts `flux up` with these arguments; the caller stops it."""

    def start(*arguments: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", "from shared.cli.main import app; app()", "up", *arguments]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    return start


@pytest.fixture(scope="session")
def front_door(flux_up: Callable[..., subprocess.Popen[str]]) -> Iterator[str]:
    """Base URL of the whole stack, started once with an empty database of its own."""
    with tempfile.TemporaryDirectory(prefix="flux-stack-") as folder:
        process = flux_up("--port", "0", "--data-dir", f"{folder}/data")
        try:
            assert process.stdout is not None
            first_line = process.stdout.readline()
            assert first_line.startswith("FLUX is ready at "), process.communicate()[1]
            yield first_line.split()[-1]
        finally:
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=60)

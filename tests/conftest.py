"""Real parts for tests: one PostgreSQL server for the whole run, and a fresh migrated database for who asks."""

import os
import random
import signal
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

import conditioning_svc.app
import debt_svc.app
import gateway.schema
import readiness_svc.app
from shared import embedded_postgres, grants
from shared.settings import DatabaseSettings
from shared.supervisor import Supervisor
from shared.walls import SCHEMAS, runtime
from tests import pooler
from tests.ports import free_port
from tests.tokens import Signer

TEMPLATE = "migrated"
TEST_ROLE = "flux_tests"


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
            _make_test_role(cluster.url)
            yield cluster.url
        finally:
            supervisor.stop()


@pytest.fixture(scope="session")
def migrated_template(postgres: str) -> str:
    """Name of a database that every service has migrated, to be copied."""
    url = _create_database(postgres, TEMPLATE)
    grants.apply(url)
    for part in (readiness_svc.app, debt_svc.app, conditioning_svc.app, gateway.schema):
        part.migrate(DatabaseSettings(database_url=url))
    return TEMPLATE


@pytest.fixture
def empty_database_url(postgres: str) -> Iterator[str]:
    """URL of a database with nothing in it."""
    name = f"empty_{uuid.uuid4().hex}"
    yield _create_database(postgres, name)
    _drop_database(postgres, name)


@pytest.fixture
def granted_database_url(empty_database_url: str) -> str:
    """URL of a database with nothing in it but what an administrator grants."""
    grants.apply(empty_database_url)
    return empty_database_url


@pytest.fixture
def database_url(postgres: str, migrated_template: str) -> Iterator[str]:
    """URL of a fresh, migrated database."""
    name = f"test_{uuid.uuid4().hex}"
    yield _create_database(postgres, name, migrated_template)
    _drop_database(postgres, name)


def behind_walls(database_url: str) -> str:
    """URL of the same database for a role that may do what all services together may, and no more."""
    return database_url.replace(f"//{embedded_postgres.SUPERUSER}@", f"//{TEST_ROLE}@")


def told_pooler() -> str:
    """What services are told of a pooler that this run puts before PostgreSQL; nothing if it puts none."""
    return os.environ.get("FLUX_DATABASE_POOLER", "")


def _make_test_role(postgres_url: str) -> None:
    grants.apply(postgres_url)
    services = ", ".join(runtime(schema) for schema in SCHEMAS.values())
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {TEST_ROLE} LOGIN IN ROLE {services}".encode())


def _create_database(postgres_url: str, name: str, template: str = "template0") -> str:
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
    return postgres_url.replace(f"/{embedded_postgres.DATABASE}?", f"/{name}?")


def _drop_database(postgres_url: str, name: str) -> None:
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


class Stack:
    """A whole FLUX of its own, started by `flux up`."""

    def __init__(
        self, data_dir: Path, cache: Path, *arguments: str, variables: Mapping[str, str] | None = None
    ) -> None:
        where = ["--port", str(free_port()), "--data-dir", str(data_dir)]
        command = [sys.executable, "-m", "shared.cli", "up", *where, *arguments]
        environment = {**os.environ, "PYTHONPYCACHEPREFIX": str(cache), **(variables or {})}
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
        )
        assert self.process.stdout is not None
        ready = self.process.stdout.readline()
        assert ready.startswith("FLUX is ready at "), self.process.communicate()[1]
        self.url = ready.split()[-1]
        self.sockets = data_dir / "run"

    @property
    def database_url(self) -> str:
        """URL of its embedded database, as superuser."""
        return self.database_url_of(embedded_postgres.SUPERUSER)

    def database_url_of(self, role: str) -> str:
        """URL of its embedded database, as a role."""
        return embedded_postgres.url_of(role, self.sockets / "pg")

    @property
    def signer(self) -> Signer:
        """Makes access tokens that it believes."""
        return Signer.of_local_run(self.sockets.parent)

    @property
    def address(self) -> str:
        """host:port of the front door."""
        return self.url.removeprefix("http://")

    def stop(self, number: signal.Signals = signal.SIGTERM) -> tuple[int, str]:
        """Stops the stack; answers its exit status and what it said."""
        self.process.send_signal(number)
        _, said = self.process.communicate(timeout=60)
        return self.process.returncode, said


@pytest.fixture(scope="session", autouse=True)
def compiled_modules_are_kept() -> None:
    """By whatever process a test starts: to compile everything anew takes each of them seconds."""
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


@pytest.fixture(scope="session")
def bytecode_cache() -> Path:
    """Where stacks keep compiled modules, for the next stack and the next run."""
    return Path(sys.prefix) / "compiled"


@pytest.fixture
def data_dir() -> Iterator[Path]:
    """A data directory whose path is short enough for sockets in it."""
    with tempfile.TemporaryDirectory(prefix="flux-data-") as folder:
        yield Path(folder) / "data"


@pytest.fixture(scope="session")
def stack(bytecode_cache: Path) -> Iterator[Stack]:
    """A stack that all tests share: its athlete may have trained before."""
    with tempfile.TemporaryDirectory(prefix="flux-data-") as folder:
        shared_stack = Stack(Path(folder) / "data", bytecode_cache)
        yield shared_stack
        shared_stack.stop()


@pytest.fixture
def fresh_stack(stack: Stack) -> Stack:
    """The shared stack with every table emptied but those of the rules: its athlete never trained."""
    with psycopg.connect(stack.database_url, autocommit=True) as connection:
        tables = connection.execute(
            "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables"
            " WHERE schemaname IN ('readiness', 'debt', 'conditioning', 'session')"
            " AND tablename NOT IN ('schema_version', 'rules', 'rulesets', 'activations')"
        ).fetchall()
        connection.execute("TRUNCATE " + ", ".join(name for (name,) in tables))
    return stack


@pytest.fixture(scope="session")
def front_door(stack: Stack) -> str:
    """Base URL of the shared stack."""
    return stack.url


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--regenerate", action="store_true", help="rewrite the golden days and show what changed")
    parser.addoption("--inputs", type=int, default=20_000, help="how many malformed requests to send")
    parser.addoption("--attempts", type=int, default=20_000, help="how often to try what is another athlete's")
    parser.addoption("--pooler", action="store_true", help="reach PostgreSQL through PgBouncer in transaction mode")
    parser.addoption("--seed", type=int, default=random.randrange(10**9), help="that of an earlier run, to repeat it")


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--pooler") and not hasattr(config, "workerinput"):  # workers have our environment
        if pooler.PGBOUNCER is None:
            raise pytest.UsageError(pooler.MISSING)
        folder = tempfile.TemporaryDirectory(prefix="flux-pooler-")
        config.add_cleanup(folder.cleanup)
        os.environ.update(pooler.variables(Path(folder.name), (*grants.LOGIN_ROLES, TEST_ROLE)))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--pooler"):
        meaningless = [item for item in items if item.get_closest_marker("without_pooler")]
        config.hook.pytest_deselected(items=meaningless)
        items[:] = [item for item in items if item not in meaningless]


def pytest_report_header(config: pytest.Config) -> str:
    return f"malformed input: --seed {config.getoption('--seed')}"

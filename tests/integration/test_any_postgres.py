"""Whole days on other PostgreSQL than the embedded one: through a pooler in transaction mode, and on version 15.

Every test runs so by `--pooler`, and by a `FLUX_POSTGRES_BIN` of the environment.
"""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import psycopg
import pytest

from shared import embedded_postgres, grants
from shared.cli import invariants
from shared.cli.stack import ProgramStopped, only_database
from shared.supervisor import Supervisor
from shared.walls import SCHEMAS, runtime
from tests import pooler
from tests.client import native
from tests.conftest import Stack
from tests.integration.ruleset_helpers import Trainee, one_set, planned
from tests.integration.service_helpers import socket_folder
from tests.integration.test_backup import flux, rows
from tests.pooler import unpooled
from tests.tokens import Signer

POSTGRES_15 = Path("/usr/lib/postgresql/15/bin")
ATHLETES = 12


def test_whole_days_through_a_pooler_in_transaction_mode(data_dir: Path, bytecode_cache: Path) -> None:
    if pooler.PGBOUNCER is None:
        pytest.skip(pooler.MISSING)
    with socket_folder() as folder:
        stack = Stack(data_dir, bytecode_cache, variables=pooler.variables(folder, grants.LOGIN_ROLES))
        try:
            live_days(stack.address, stack.signer)
            with psycopg.connect(unpooled(stack.database_url)) as connection:
                lent = connection.execute(
                    "SELECT usename, count(*) FROM pg_stat_activity WHERE usename = ANY (%s) GROUP BY 1",
                    [[runtime(schema) for schema in SCHEMAS.values()]],
                ).fetchall()
            assert lent
            assert all(connections <= pooler.LENT for _, connections in lent)
            assert_sound(stack.database_url)
        finally:
            stack.stop()


@pytest.fixture(scope="module")
def programs_of_15() -> str:
    """The folder of PostgreSQL 15's programs."""
    if not (POSTGRES_15 / "postgres").exists():
        pytest.skip("PostgreSQL 15 is not installed (Debian: apt-get install postgresql-15)")
    return str(POSTGRES_15)


def test_a_data_directory_stays_with_the_version_that_made_it(
    programs_of_15: str, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(embedded_postgres.PROGRAMS, programs_of_15)
    for _ in range(2):
        with only_database(data_dir) as url, psycopg.connect(url) as connection:
            assert connection.info.server_version // 10_000 == 15
    monkeypatch.delenv(embedded_postgres.PROGRAMS)
    with pytest.raises(ProgramStopped, match="incompatible with server"), only_database(data_dir):
        pass


@pytest.fixture(scope="module")
def postgres_15(programs_of_15: str) -> Iterator[str]:
    """URL of a database of PostgreSQL 15, for its superuser."""
    with socket_folder() as home:
        supervisor = Supervisor(home / "logs")
        try:
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv(embedded_postgres.PROGRAMS, programs_of_15)
                cluster = embedded_postgres.prepare(home / "data", home / "sockets")
            embedded_postgres.start(cluster, supervisor, os.environ)
            yield cluster.url
        finally:
            supervisor.stop()


def test_whole_days_on_postgres_15(postgres_15: str, data_dir: Path, bytecode_cache: Path) -> None:
    with psycopg.connect(postgres_15) as connection:
        assert connection.info.server_version // 10_000 == 15
    stack = Stack(data_dir, bytecode_cache, "--database-url", postgres_15)
    try:
        live_days(stack.address, stack.signer)
    finally:
        stack.stop()
    assert_sound(postgres_15)


def test_a_backup_of_the_embedded_version_comes_back_on_postgres_15(
    postgres_15: str, fresh_stack: Stack, tmp_path: Path
) -> None:
    live_days(fresh_stack.address, fresh_stack.signer)
    file = tmp_path / "flux.dump"
    status, said = flux("backup", file, "--data-dir", fresh_stack.sockets.parent)
    assert status == 0, said
    with psycopg.connect(postgres_15, autocommit=True) as connection:
        connection.execute("CREATE DATABASE restored")
    restored = postgres_15.replace(f"/{embedded_postgres.DATABASE}?", "/restored?")
    assert flux("restore", file, "--database-url", restored) == (
        0,
        "flux: everything is back, and every promise holds\n",
    )
    assert rows(restored) == rows(fresh_stack.database_url)


def live_days(address: str, signer: Signer) -> None:
    """Athletes train at the same time; each finds their own sessions, and nothing of another's."""
    with native(address) as channel:
        athletes = [Trainee(channel, signer) for _ in range(ATHLETES)]
        with ThreadPoolExecutor(4) as pool:
            trained = list(pool.map(live_a_day, athletes))
        for athlete, session_id in zip(athletes, trained, strict=True):
            assert athlete.get(session_id).session_id == session_id
            assert athlete.state().completed_sessions == 1
            for foreign in set(trained) - {session_id}:
                with pytest.raises(grpc.RpcError) as refused:
                    athlete.get(foreign)
                assert refused.value.code() is grpc.StatusCode.NOT_FOUND


def live_a_day(athlete: Trainee) -> str:
    """Plans, starts, logs and completes a session; answers its id."""
    athlete.preview()
    session = athlete.start()
    (lift,) = planned(session.plan, "SQUAT:MAIN")
    athlete.log(session.session_id, one_set(lift.exercise.name))
    (work,) = planned(session.plan, "CONDITIONING")
    athlete.complete(session.session_id, one_set(work.exercise.name, watts=220))
    return session.session_id


def assert_sound(database_url: str) -> None:
    broken = [outcome for outcome in invariants.check_snapshot(database_url) if outcome.count]
    assert broken == []

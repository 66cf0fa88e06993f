"""Whole days on other PostgreSQL than the embedded one: through a pooler in transaction mode, and on version 15."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import grpc
import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from shared import embedded_postgres, grants
from shared.cli import invariants
from shared.cli.programs import Database, Programs
from shared.cli.stack import answers, serves
from shared.clock import SystemClock
from shared.local_identity import LocalIdentity
from shared.supervisor import Program, Supervisor
from shared.walls import MIGRATOR, SCHEMAS, runtime
from tests.client import native
from tests.conftest import Stack
from tests.integration.ruleset_helpers import Trainee, one_set, planned
from tests.integration.test_backup import flux, rows
from tests.ports import free_port
from tests.tokens import Signer

POOLER = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
POSTGRES_15 = Path("/usr/lib/postgresql/15/bin")
PORT = 6432
ATHLETES = 12
# Fewer than the connections of any service, so that every one of these is lent to many.
LENT = 2
START_SECONDS = 60.0


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A folder whose path is short enough for sockets in it, and that another user may enter."""
    with tempfile.TemporaryDirectory(prefix="flux-any-") as made:
        Path(made).chmod(0o755)
        yield Path(made)


@pytest.fixture
def pooled(granted_database_url: str, folder: Path) -> Iterator[Database]:
    """An empty database behind a pooler that lends connections for one transaction each."""
    if POOLER is None:
        pytest.skip("pgbouncer is not installed (Debian: apt-get install pgbouncer)")
    server = conninfo_to_dict(granted_database_url)
    sockets = folder / "pooler"
    sockets.mkdir()
    roles = folder / "roles"
    roles.write_text("".join(f'"{role}" ""\n' for role in grants.LOGIN_ROLES))
    settings = folder / "pgbouncer.ini"
    settings.write_text(
        f"""[databases]
flux = host={server["host"]} dbname={server["dbname"]}
[pgbouncer]
pool_mode = transaction
default_pool_size = {LENT}
listen_port = {PORT}
unix_socket_dir = {sockets}
auth_type = trust
auth_file = {roles}
"""
    )
    owner = Path(str(server["host"])).stat()
    user = (owner.st_uid, owner.st_gid) if os.geteuid() == 0 else None
    if user is not None:
        for path in (sockets, roles, settings):
            os.chown(path, *user)
    supervisor = Supervisor(folder / "pooler-logs")

    def url(role: str) -> str:
        return f"postgresql://{role}@/flux?host={sockets}&port={PORT}"

    def lends() -> bool:
        try:
            psycopg.connect(url(MIGRATOR)).close()
        except psycopg.OperationalError:
            return False
        return True

    try:
        supervisor.start(Program("pgbouncer", (POOLER, str(settings)), os.environ, user=user))
        assert supervisor.wait_until(lends, START_SECONDS)
        yield Database(url(MIGRATOR), lambda schema: url(runtime(schema)))
    finally:
        supervisor.stop()


def test_whole_days_through_a_pooler_in_transaction_mode(
    pooled: Database, granted_database_url: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLUX_DATABASE_POOLER", "transaction")
    identity = LocalIdentity(folder)
    identity.prepare(SystemClock().now())
    supervisor = Supervisor(folder / "logs")
    programs = Programs(folder, folder, identity)
    port = free_port()
    try:
        for service in SCHEMAS:
            supervisor.start(programs.service(service, pooled))
        for service in SCHEMAS:
            assert supervisor.wait_until(partial(serves, programs.target(service)), START_SECONDS)
        supervisor.start(programs.front_door("127.0.0.1", port))
        assert supervisor.wait_until(partial(answers, f"http://127.0.0.1:{port}/healthz"), START_SECONDS)
        live_days(f"127.0.0.1:{port}", Signer.of_local_run(folder))
    finally:
        supervisor.stop()
    assert_sound(granted_database_url)


@pytest.fixture(scope="module")
def postgres_15(folder: Path) -> Iterator[str]:
    """URL of a database of PostgreSQL 15, for its superuser."""
    if not (POSTGRES_15 / "postgres").exists():
        pytest.skip("PostgreSQL 15 is not installed (Debian: apt-get install postgresql-15)")
    owner = None
    home = folder / "15"
    sockets = home / "sockets"
    sockets.mkdir(parents=True)
    if os.geteuid() == 0:
        account = pwd.getpwnam("postgres")
        owner = (account.pw_uid, account.pw_gid)
        for path in (home, sockets):
            os.chown(path, *owner)
    initialize = [
        str(POSTGRES_15 / "initdb"),
        "-D",
        str(home / "data"),
        "-U",
        embedded_postgres.SUPERUSER,
        "-A",
        "trust",
    ]
    user, group = owner or (None, None)
    subprocess.run(
        [*initialize, "-E", "UTF8", "--locale", "C", "--no-sync"],
        user=user,
        group=group,
        extra_groups=None if owner is None else [],
        check=True,
        capture_output=True,
        cwd="/",
    )
    cluster = embedded_postgres.Cluster(home / "data", sockets, POSTGRES_15, owner)
    supervisor = Supervisor(folder / "15-logs")
    try:
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

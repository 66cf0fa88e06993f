"""`flux backup` and `flux restore`: what was kept comes back whole, or nothing does."""

import os
import stat
import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path

import psycopg

from shared import embedded_postgres
from shared.supervisor import Supervisor
from shared.walls import SCHEMAS
from tests.client import native
from tests.conftest import Stack
from tests.integration.ruleset_helpers import Trainee, one_set, planned
from tests.integration.service_helpers import socket_folder

ROOT = Path(__file__).parents[2]


def flux(*arguments: str | Path) -> tuple[int, str]:
    """Exit status of the command, and what it said."""
    command = [sys.executable, "-m", "shared.cli", *map(str, arguments)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    return run.returncode, run.stderr


def rows(database_url: str) -> dict[str, list[str]]:
    """Every row of every table, by the table's name."""
    with psycopg.connect(database_url) as connection:
        tables = connection.execute(
            "SELECT format('%%I.%%I', schemaname, tablename) FROM pg_tables WHERE schemaname = ANY (%s)",
            [list(SCHEMAS.values())],
        ).fetchall()
        return {
            name: sorted(str(row) for row in connection.execute(f"SELECT t::text FROM {name} t".encode()))  # noqa: S608
            for (name,) in tables
        }


def hidden(database_url: str) -> list[tuple[str, ...]]:
    """The tables whose rows are hidden, also from their owners."""
    with psycopg.connect(database_url) as connection:
        return connection.execute(
            "SELECT oid::regclass::text FROM pg_class WHERE relrowsecurity AND relforcerowsecurity ORDER BY 1"
        ).fetchall()


def train(stack: Stack) -> str:
    """A completed session; answers its id."""
    with native(stack.address) as channel:
        athlete = Trainee(channel, stack.signer)
        session = athlete.start()
        (work,) = planned(session.plan, "CONDITIONING")
        athlete.complete(session.session_id, one_set(work.exercise.name, watts=220))
    return session.session_id


def test_what_was_backed_up_comes_back_and_serves(
    fresh_stack: Stack, data_dir: Path, bytecode_cache: Path, tmp_path: Path
) -> None:
    train(fresh_stack)
    file = tmp_path / "flux.dump"
    status, said = flux("backup", file, "--data-dir", fresh_stack.sockets.parent)
    assert status == 0, said
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    kept = rows(fresh_stack.database_url)
    assert flux("restore", file, "--data-dir", data_dir) == (
        0,
        "flux: everything is back, and every promise holds\n",
    )
    restored = Stack(data_dir, bytecode_cache)
    try:
        assert rows(restored.database_url) == kept
        train(restored)
    finally:
        restored.stop()


def test_an_administrator_who_is_no_superuser_may_restore(fresh_stack: Stack, tmp_path: Path) -> None:
    """As on hosted PostgreSQL, where nobody is more than this."""
    train(fresh_stack)
    file = tmp_path / "flux.dump"
    assert flux("backup", file, "--data-dir", fresh_stack.sockets.parent)[0] == 0
    with socket_folder() as folder:
        supervisor = Supervisor(folder / "logs")
        try:
            cluster = embedded_postgres.prepare(folder / "data", folder / "pg")
            embedded_postgres.start(cluster, supervisor, os.environ)
            with psycopg.connect(cluster.url, autocommit=True) as connection:
                connection.execute("CREATE ROLE administrator LOGIN CREATEROLE")
                connection.execute(f"GRANT CREATE ON DATABASE {embedded_postgres.DATABASE} TO administrator")
            administrator = embedded_postgres.url_of("administrator", cluster.sockets)
            assert flux("restore", file, "--database-url", administrator) == (
                0,
                "flux: everything is back, and every promise holds\n",
            )
            assert rows(cluster.url) == rows(fresh_stack.database_url)
            assert hidden(cluster.url) == hidden(fresh_stack.database_url)
        finally:
            supervisor.stop()


def test_a_backup_that_breaks_off_changes_nothing(database_url: str, empty_database_url: str, tmp_path: Path) -> None:
    file = tmp_path / "flux.dump"
    assert flux("backup", file, "--database-url", database_url)[0] == 0
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) * 9 // 10])
    assert flux("restore", file, "--database-url", empty_database_url)[0] == 1
    assert rows(empty_database_url) == {}


def test_a_promise_that_is_broken_in_a_backup_is_told(
    database_url: str, empty_database_url: str, tmp_path: Path
) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute(
            "INSERT INTO session.outbox (event_id, athlete_id, session_id, kind, payload, delivery, not_before)"
            " VALUES (gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), 'LEVEL', '{}', 'DEAD', now())"
        )
    file = tmp_path / "flux.dump"
    status, said = flux("backup", file, "--database-url", database_url)
    assert status == 0, said
    status, said = flux("restore", file, "--database-url", empty_database_url)
    assert status == 1
    assert "broken 1 times: no event is refused for good" in said


def test_a_database_in_use_is_not_restored_into(database_url: str, tmp_path: Path) -> None:
    file = tmp_path / "flux.dump"
    assert flux("backup", file, "--database-url", database_url)[0] == 0
    before = rows(database_url)
    status, said = flux("restore", file, "--database-url", database_url)
    assert status == 1
    assert said.startswith("flux: the database is not empty: it has a table ")
    assert rows(database_url) == before


def test_a_backup_overwrites_nothing(database_url: str, tmp_path: Path) -> None:
    file = tmp_path / "flux.dump"
    file.write_text("precious")
    status, _ = flux("backup", file, "--database-url", database_url)
    assert (status, file.read_text()) == (1, "precious")


def test_a_backup_that_fails_leaves_no_file(tmp_path: Path) -> None:
    file = tmp_path / "flux.dump"
    assert flux("backup", file, "--database-url", "postgresql://nobody@127.0.0.1:1/flux")[0] == 1
    assert not file.exists()


def test_a_file_that_is_no_backup_changes_nothing(empty_database_url: str, tmp_path: Path) -> None:
    file = tmp_path / "flux.dump"
    file.write_text("not a backup")
    assert flux("restore", file, "--database-url", empty_database_url)[0] == 1
    assert rows(empty_database_url) == {}


def test_the_version_stands_in_one_place() -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    run = subprocess.run(
        [sys.executable, "-m", "shared.cli", "--version"], capture_output=True, text=True, timeout=60, check=True
    )
    assert run.stdout == f"flux {declared}\n"
    assert version("flux-engine") == declared

"""An update goes part by part: old code on a newer schema, new code on an older one, both as real processes."""

import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from shutil import copy
from typing import NamedTuple

import psycopg
import pytest

import debt_svc.app
from shared import embedded_postgres, migrations
from shared.cli import invariants
from shared.cli.programs import Database, Programs
from shared.cli.stack import serves
from shared.local_identity import LocalIdentity
from shared.schema_versions import History
from shared.settings import DatabaseSettings, SettingsError
from shared.supervisor import Supervisor
from shared.walls import MIGRATOR, SCHEMAS, runtime
from tests.client import native
from tests.conftest import Stack
from tests.integration.ruleset_helpers import Trainee
from tests.integration.test_any_postgres import live_a_day
from tests.next_version import EXPANDS, migrations_of, newer, newest

START_SECONDS = 60.0


def migrate(database_url: str, versions: Mapping[str, Path]) -> None:
    """As the next version of FLUX does."""
    for schema, folder in versions.items():
        migrations.upgrade(database_url, schema=schema, versions=folder, then=lambda _: None)


def live_days(stack: Stack) -> None:
    with native(stack.address) as channel:
        live_a_day(Trainee(channel, stack.signer))


def test_old_code_serves_on_and_starts_again_on_a_schema_that_was_expanded(
    data_dir: Path, bytecode_cache: Path, tmp_path: Path
) -> None:
    stack = Stack(data_dir, bytecode_cache)
    expanded = {
        schema: newer(schema, package, tmp_path, (EXPANDS.format(schema=schema), ""))
        for package, schema in SCHEMAS.items()
    }
    try:
        live_days(stack)
        migrate(stack.database_url_of(MIGRATOR), expanded)
        live_days(stack)
        versions = [version(stack.database_url, schema) for schema in SCHEMAS.values()]
        stack.stop(signal.SIGKILL)
        stack = Stack(data_dir, bytecode_cache)
        live_days(stack)
        broken = [outcome for outcome in invariants.check_snapshot(stack.database_url) if outcome.count]
        versions += [version(stack.database_url, schema) for schema in SCHEMAS.values()]
    finally:
        stack.stop()
    assert broken == []
    assert set(versions) == {"9001"}


def test_a_part_serves_while_its_schema_fits_and_says_why_when_it_does_not(
    granted_database_url: str, data_dir: Path, tmp_path: Path
) -> None:
    expanded = newer("debt", "debt_svc", tmp_path / "expanded", (EXPANDS.format(schema="debt"), ""))
    contracted = newer(
        "debt",
        "debt_svc",
        tmp_path / "contracted",
        (EXPANDS.format(schema="debt"), ""),
        ("op.drop_column('slots', 'trained_time', schema='debt')", "9002"),
    )
    programs = Programs(tmp_path, data_dir, LocalIdentity(tmp_path))
    data_dir.mkdir()
    whole = programs.service("debt_svc", database_of(granted_database_url))
    serve = replace(whole, command=[argument for argument in whole.command if argument != "migrate"])
    is_well = partial(serves, programs.target("debt_svc"))
    log = tmp_path / "logs" / "debt_svc.log"

    def says(words: str) -> bool:
        return words in log.read_text() and not is_well()

    supervisor = Supervisor(tmp_path / "logs")
    try:
        supervisor.start(serve)
        unmigrated = f"schema debt has version none, and this version of FLUX needs {newest('debt_svc')}"
        assert supervisor.wait_until(lambda: says(unmigrated), START_SECONDS)
        assert (probe("alive", programs), probe("ready", programs)) == (0, 1)
        debt_svc.app.migrate(DatabaseSettings(database_url=granted_database_url))
        assert supervisor.wait_until(is_well, START_SECONDS)
        migrate(granted_database_url, {"debt": expanded})
        assert status(granted_database_url) == "debt: version 9001, of a newer FLUX, and this one runs on it"
        migrate(granted_database_url, {"debt": contracted})
        too_new = "schema debt has version 9002, on which this version of FLUX does not run"
        assert supervisor.wait_until(lambda: says(too_new), START_SECONDS)
        assert status(granted_database_url) == "debt: version 9002, of a newer FLUX, and this one does not run on it"
    finally:
        supervisor.stop()
    with pytest.raises(SettingsError, match=too_new):
        debt_svc.app.migrate(DatabaseSettings(database_url=granted_database_url))


@pytest.mark.parametrize(("package", "schema"), SCHEMAS.items())
def test_a_migration_that_takes_something_away_says_so(
    package: str, schema: str, granted_database_url: str, tmp_path: Path
) -> None:
    before: set[Met] = set()
    silent = []
    for path in sorted(migrations_of(package).glob("[0-9]*.py")):
        copy(path, tmp_path)
        migrate(granted_database_url, {schema: tmp_path})
        after = shape(granted_database_url, schema)
        is_told = History.of(schema, tmp_path).oldest_code == path.name.partition("_")[0]
        if narrowed(before, after) and not is_told:
            silent.append(path.name)
        before = after
    assert silent == []


class Met(NamedTuple):
    """What code meets in a table. `is_told`: whoever writes a row must know of it, unless the `columns` are new."""

    kind: str
    table: str
    what: str
    columns: tuple[str, ...]
    is_told: bool


SHAPE = """
SELECT 'column', c.table_name, c.column_name || ' ' || c.data_type || ' ' || c.is_nullable, ARRAY[c.column_name::text],
       c.is_nullable = 'NO' AND c.column_default IS NULL
  FROM information_schema.columns c WHERE c.table_schema = %(schema)s
UNION ALL
SELECT 'constraint', t.relname, pg_get_constraintdef(k.oid),
       ARRAY(SELECT attname::text FROM pg_attribute WHERE attrelid = t.oid AND attnum = ANY (k.conkey)), true
  FROM pg_constraint k JOIN pg_class t ON t.oid = k.conrelid
 WHERE k.connamespace = %(schema)s::text::regnamespace AND k.contype <> 'n'
UNION ALL
SELECT 'constraint', t.relname, pg_get_indexdef(i.indexrelid),
       ARRAY(SELECT attname::text FROM pg_attribute WHERE attrelid = t.oid AND attnum = ANY (i.indkey)), true
  FROM pg_index i JOIN pg_class t ON t.oid = i.indrelid
 WHERE t.relnamespace = %(schema)s::text::regnamespace AND i.indisunique
UNION ALL
SELECT 'wall', c.relname, '', '{}'::text[], true
  FROM pg_class c WHERE c.relnamespace = %(schema)s::text::regnamespace AND c.relrowsecurity
UNION ALL
SELECT 'privilege', g.table_name, g.grantee || ' ' || g.privilege_type, '{}'::text[], false
  FROM information_schema.role_table_grants g WHERE g.table_schema = %(schema)s
"""


def shape(database_url: str, schema: str) -> set[Met]:
    with psycopg.connect(database_url) as connection:
        rows = connection.execute(SHAPE, {"schema": schema}).fetchall()
    return {
        Met(kind, table, what, tuple(columns), is_told)
        for kind, table, what, columns, is_told in rows
        if table != "schema_version"
    }


def narrowed(before: set[Met], after: set[Met]) -> bool:
    """Whether something is gone, or a table that was there asks for what older code does not give."""
    tables = {met.table for met in before}
    columns = {(met.table, column) for met in before for column in met.columns}

    def asks(met: Met) -> bool:
        is_of_new_columns = met.kind == "constraint" and not any((met.table, c) in columns for c in met.columns)
        return met.table in tables and met.is_told and not is_of_new_columns

    return bool(before - after) or any(map(asks, after - before))


def probe(question: str, programs: Programs) -> int:
    command = [sys.executable, "-m", "shared.rpc.probe", question, programs.target("debt_svc")]
    return subprocess.run(command, timeout=60, check=False).returncode


def version(database_url: str, schema: str) -> str:
    with psycopg.connect(database_url) as connection:
        question = History.of(schema, migrations_of("debt_svc")).question
        return str(connection.execute(question.encode()).fetchall()[0][0])


def status(database_url: str) -> str:
    return debt_svc.app.status(DatabaseSettings(database_url=database_url))


def database_of(database_url: str) -> Database:
    def url(role: str) -> str:
        return database_url.replace(f"//{embedded_postgres.SUPERUSER}@", f"//{role}@")

    return Database(url(MIGRATOR), lambda schema: url(runtime(schema)))

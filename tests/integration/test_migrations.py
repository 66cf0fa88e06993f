"""Migrations: from nothing to what the stores expect, once, whoever runs them and however often."""

import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, MetaData, NullPool, create_engine, text
from sqlalchemy.engine import make_url

import conditioning_svc.app
import conditioning_svc.store
import debt_svc.app
import debt_svc.store
import gateway.schema
import gateway.tables
import readiness_svc.app
import readiness_svc.store
from shared import migrations
from shared.errors import DependencyUnavailable
from shared.schema_versions import History
from shared.settings import DatabaseSettings
from tests.integration.metered import eventually
from tests.integration.service_helpers import database_named
from tests.next_version import EXPANDS, migrations_of, newer

VERSION_TABLE = "schema_version"


class Package(NamedTuple):
    """A part that has a schema of its own."""

    name: str
    migrate: Callable[[DatabaseSettings], None]
    schema: str
    metadata: MetaData

    def __str__(self) -> str:
        return self.name


PACKAGES = [
    Package(module.__package__ or "", app.migrate, module.SCHEMA, module.metadata)
    for app, module in (
        (readiness_svc.app, readiness_svc.store),
        (debt_svc.app, debt_svc.store),
        (conditioning_svc.app, conditioning_svc.store),
        (gateway.schema, gateway.tables),
    )
]
each_package = pytest.mark.parametrize("package", PACKAGES, ids=str)

# Everything that makes a table what it is, in PostgreSQL's own words.
SHAPE = """
SELECT 'column', c.table_name, c.column_name || ' ' || c.data_type || ' ' || c.is_nullable || ' '
       || coalesce(c.character_maximum_length, c.numeric_precision, 0) || ',' || coalesce(c.numeric_scale, 0)
       || ' ' || coalesce(c.column_default, '')
  FROM information_schema.columns c WHERE c.table_schema = %(schema)s
UNION ALL
SELECT 'constraint', t.relname, k.conname || ' ' || pg_get_constraintdef(k.oid)
  FROM pg_constraint k JOIN pg_class t ON t.oid = k.conrelid
 WHERE k.connamespace = %(schema)s::text::regnamespace AND k.contype <> 'n'
UNION ALL
SELECT 'index', i.tablename, i.indexdef FROM pg_indexes i WHERE i.schemaname = %(schema)s
"""


@pytest.fixture
def migrated_url(postgres: str, migrated_template: str) -> str:
    """URL of the database that all packages have migrated; only to be looked at."""
    return database_named(postgres, migrated_template)


def engine_of(database_url: str) -> Engine:
    return create_engine(make_url(database_url).set(drivername="postgresql+psycopg"), poolclass=NullPool)


def migrate(package: Package, database_url: str) -> None:
    package.migrate(DatabaseSettings(database_url=database_url))


def shape(database_url: str, schema: str) -> set[tuple[Any, ...]]:
    with psycopg.connect(database_url) as connection:
        rows = connection.execute(SHAPE, {"schema": schema}).fetchall()
    return {row for row in rows if row[1] != VERSION_TABLE}


def schemas(database_url: str) -> set[str]:
    with psycopg.connect(database_url) as connection:
        rows = connection.execute(
            "SELECT nspname FROM pg_namespace WHERE nspname NOT LIKE 'pg\\_%' AND nspname <> 'information_schema'"
        )
        return {name for (name,) in rows} - {"public"}


def version(database_url: str, schema: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(database_url) as connection:
        statement = f"SELECT version_num, xmin::text FROM {schema}.{VERSION_TABLE}"  # noqa: S608 - our own words
        return connection.execute(statement.encode()).fetchall()


def tables_of(connection: psycopg.Connection[Any], schema: str) -> list[str]:
    rows = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = %s ORDER BY tablename", (schema,))
    return [name for (name,) in rows]


def head(package: Package) -> str:
    """The newest migration of a package."""
    folder = Path(import_module(package.name).__path__[0]) / "migrations"
    return max(path.name for path in folder.glob("[0-9]*.py")).partition("_")[0]


@each_package
def test_what_is_known_of_a_schema_is_what_alembic_finds(package: Package) -> None:
    folder = migrations_of(package.name)
    config = Config()
    config.set_main_option("script_location", str(folder))
    config.set_main_option("version_locations", str(folder))
    config.set_main_option("path_separator", "newline")
    newest_first = list(ScriptDirectory.from_config(config).walk_revisions())
    oldest_code = next(
        (said for script in newest_first if (said := getattr(script.module, "oldest_code", None))),
        newest_first[-1].revision,
    )
    revisions = frozenset(script.revision for script in newest_first)
    assert History.of(package.schema, folder) == History(
        package.schema, revisions, newest_first[0].revision, oldest_code
    )


def test_who_has_nothing_to_migrate_does_not_load_what_migrates(migrated_url: str) -> None:
    program = (
        "import sys, debt_svc.app\nfrom shared.settings import DatabaseSettings\n"
        f"debt_svc.app.migrate(DatabaseSettings(database_url={migrated_url!r}))\n"
        "sys.exit('alembic' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


@each_package
def test_an_empty_database_is_brought_to_the_newest_version_touching_only_its_own_schema(
    package: Package, granted_database_url: str
) -> None:
    before = schemas(granted_database_url)
    migrate(package, granted_database_url)
    assert schemas(granted_database_url) == before
    assert [number for number, _ in version(granted_database_url, package.schema)] == [head(package)]
    tables = {row[1] for row in shape(granted_database_url, package.schema)}
    assert tables == {table.name for table in package.metadata.sorted_tables}
    assert all(shape(granted_database_url, other.schema) == set() for other in PACKAGES if other is not package)
    with psycopg.connect(granted_database_url) as connection:
        public = connection.execute("SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace")
        assert public.fetchone() == (0,)


def test_migrating_again_changes_nothing(database_url: str) -> None:
    before = [(shape(database_url, p.schema), version(database_url, p.schema)) for p in PACKAGES]
    for package in PACKAGES:
        migrate(package, database_url)
    assert [(shape(database_url, p.schema), version(database_url, p.schema)) for p in PACKAGES] == before
    assert schemas(database_url) == {package.schema for package in PACKAGES}


def test_all_packages_may_migrate_at_once_even_twice(granted_database_url: str, migrated_url: str) -> None:
    running = [
        subprocess.Popen(
            [sys.executable, "-m", package.name, "migrate"],
            env={"FLUX_MIGRATION_DATABASE_URL": granted_database_url},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for package in (*PACKAGES, PACKAGES[0], PACKAGES[-1])
    ]
    said = [process.communicate()[1] for process in running]
    assert [(process.returncode, words) for process, words in zip(running, said, strict=True)] == [(0, "")] * 6
    for package in PACKAGES:
        assert shape(granted_database_url, package.schema) == shape(migrated_url, package.schema)


@each_package
def test_the_stores_and_the_migrations_agree_on_every_table(package: Package, migrated_url: str) -> None:
    def is_own(name: str | None, kind: str, parents: Any) -> bool:
        return kind != "schema" or name == package.schema

    options = {
        "include_schemas": True,
        "include_name": is_own,
        "version_table": VERSION_TABLE,
        "version_table_schema": package.schema,
        "compare_type": True,
        "compare_server_default": True,
    }
    with engine_of(migrated_url).connect() as connection:
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, package.metadata) == []


def test_the_stores_and_the_migrations_agree_on_every_constraint(migrated_url: str, empty_database_url: str) -> None:
    with engine_of(empty_database_url).begin() as connection:
        for package in PACKAGES:
            connection.execute(text(f"CREATE SCHEMA {package.schema}"))
            package.metadata.create_all(connection)
    for package in PACKAGES:
        made_by = [
            {row for row in shape(url, package.schema) if row[0] != "index"}
            for url in (migrated_url, empty_database_url)
        ]
        assert made_by[0] == made_by[1]


def test_migrating_without_a_database_is_unavailable(tmp_path: Path) -> None:
    for package in PACKAGES:
        with pytest.raises(DependencyUnavailable):
            migrate(package, f"postgresql://postgres@/flux?host={tmp_path / 'nothing'}")


def test_a_migration_that_cannot_run_says_why_in_one_line(tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-m", "readiness_svc", "migrate"],
        env={"FLUX_MIGRATION_DATABASE_URL": f"postgresql://postgres@/flux?host={tmp_path / 'nothing'}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 1
    assert run.stderr == "readiness_svc: the database does not answer; retry in a moment\n"


def test_a_migration_lets_calls_pass_that_are_in_its_way_and_is_tried_again(database_url: str, tmp_path: Path) -> None:
    expanded = newer("debt", "debt_svc", tmp_path, (EXPANDS.format(schema="debt"), ""))
    waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'debt.slots'::regclass"

    def are_waiting(watcher: psycopg.Connection[Any], number: int) -> bool:
        return watcher.execute(waiting.encode()).fetchone() == (number,)

    with psycopg.connect(database_url, autocommit=True) as watcher, ThreadPoolExecutor(1) as thread:
        with psycopg.connect(database_url) as call:
            call.execute("SELECT FROM debt.slots")
            migrated = thread.submit(
                migrations.upgrade, database_url, schema="debt", versions=expanded, then=lambda _: None
            )
            eventually(partial(are_waiting, watcher, 1))
            eventually(partial(are_waiting, watcher, 0))
            assert not migrated.done()
        migrated.result()
    assert [number for number, _ in version(database_url, "debt")] == ["9001"]


def test_no_call_is_ended_for_a_deadlock_with_a_migration(database_url: str, tmp_path: Path) -> None:
    expanded = newer("debt", "debt_svc", tmp_path, (EXPANDS.format(schema="debt"), ""))
    waiting = b"SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'debt.slots'::regclass"
    with psycopg.connect(database_url, autocommit=True) as watcher, ThreadPoolExecutor(1) as thread:
        with psycopg.connect(database_url) as call:
            call.execute("SELECT FROM debt.slots")
            migrated = thread.submit(
                migrations.upgrade, database_url, schema="debt", versions=expanded, then=lambda _: None
            )
            eventually(lambda: watcher.execute(waiting).fetchone() == (1,))
            # Longer than a migration that waits on looks for a deadlock by itself: from then on, only a call does.
            call.execute("SELECT pg_sleep(1.5)")
            for table in reversed(tables_of(watcher, "debt")):
                call.execute(f"SELECT FROM debt.{table}".encode())
            assert not migrated.done()
        migrated.result()
    assert [number for number, _ in version(database_url, "debt")] == ["9001"]


def test_a_schema_that_a_newer_version_contracted_is_refused_and_stays_as_it_is(database_url: str) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute("UPDATE debt.schema_version SET version_num = '9999', oldest_code = '9999'")
    run = subprocess.run(
        [sys.executable, "-m", "debt_svc", "migrate"],
        env={"FLUX_MIGRATION_DATABASE_URL": database_url},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (run.returncode, run.stderr) == (
        1,
        "debt_svc: schema debt has version 9999, on which this version of FLUX does not run; it was migrated by a newer"
        " one, and migrations only go forward: start that one\n",
    )
    assert [number for number, _ in version(database_url, "debt")] == ["9999"]

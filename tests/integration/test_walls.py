"""The walls inside the database: roles may do what is written down, and rows show for their athletes alone."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import psycopg
import pytest
from psycopg import errors, sql

import readiness_svc.app
from shared import embedded_postgres, grants
from shared.db import Database
from shared.grants import TIMEOUTS
from shared.settings import DatabaseSettings
from shared.supervisor import Supervisor
from shared.walls import MIGRATOR, SCHEMAS, Sight, owner, runtime
from tests.conftest import told_pooler
from tests.integration import service_helpers
from tests.integration.service_helpers import ATHLETE, STRANGER, execute, socket_folder

database_url = service_helpers.emptied_database_url

MATRIX = Path(__file__).with_name("role_matrix.txt")
SCHEMA_NAMES = [*SCHEMAS.values()]
each_schema = pytest.mark.parametrize("schema", SCHEMA_NAMES)

# Every privilege on anything of ours, whoever has it, but what owners have of what is theirs.
PRIVILEGES = """
WITH things AS (
  SELECT nspname AS thing, nspowner AS owner, coalesce(nspacl, acldefault('n', nspowner)) AS acl FROM pg_namespace
   WHERE nspname = ANY (%(schemas)s)
  UNION ALL
  SELECT c.oid::regclass::text, c.relowner, coalesce(c.relacl, acldefault('r', c.relowner))
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
   WHERE n.nspname = ANY (%(schemas)s) AND c.relkind = ANY ('{r,v,m,p,f}')
), privileges AS (
  SELECT coalesce(grantee.rolname, 'PUBLIC') AS role, thing, p.privilege_type FROM things, aclexplode(acl) AS p
    LEFT JOIN pg_roles grantee ON grantee.oid = p.grantee WHERE p.grantee <> owner
)
SELECT format('%%s on %%s: %%s', role, thing, string_agg(privilege_type, ', ' ORDER BY privilege_type))
  FROM privileges GROUP BY role, thing
UNION ALL
SELECT format('%%s owns %%s', owner::regrole, thing) FROM things
UNION ALL
SELECT format('%%s: %%s', rolname, concat_ws(', ', CASE WHEN rolcanlogin THEN 'logs in' END,
    CASE WHEN NOT rolinherit THEN 'inherits nothing' END, CASE WHEN rolsuper THEN 'superuser' END,
    CASE WHEN rolcreaterole THEN 'creates roles' END, CASE WHEN rolcreatedb THEN 'creates databases' END,
    CASE WHEN rolreplication THEN 'replicates' END, CASE WHEN rolbypassrls THEN 'sees every row' END,
    array_to_string(rolconfig, ', ')))
  FROM pg_roles WHERE rolname LIKE 'flux\\_%%' AND rolname <> 'flux_tests'
UNION ALL
SELECT format('%%s may become %%s', member::regrole, roleid::regrole) FROM pg_auth_members
 WHERE member::regrole::text LIKE 'flux\\_%%' AND member::regrole::text <> 'flux_tests'
UNION ALL
SELECT format('rows of %%s.%%s: %%s %%s', schemaname, tablename, cmd, qual) FROM pg_policies
"""

TABLES = """
SELECT c.oid::regclass::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE n.nspname = ANY (%(schemas)s) AND c.relkind = 'r'
"""
# One statement for each kind of change, which a role without the privilege cannot even try.
UPDATE, DELETE = "UPDATE {} SET {} = {}", "DELETE FROM {}"


def tables(database_url: str, condition: str = "true") -> list[str]:
    return sorted(name for (name,) in execute(database_url, f"{TABLES} AND {condition}", schemas=SCHEMA_NAMES))


def a_column_of(database_url: str, table: str) -> str:
    query = (
        "SELECT attname FROM pg_attribute WHERE attrelid = %(table)s::regclass AND attnum > 0"
        " AND attidentity = '' ORDER BY attnum LIMIT 1"
    )
    return str(execute(database_url, query, table=table)[0][0])


def as_role(database_url: str, role: str) -> psycopg.Connection:
    url = database_url.replace(f"//{embedded_postgres.SUPERUSER}@", f"//{role}@")
    return psycopg.connect(url, autocommit=True)


def test_every_role_may_do_what_is_written_down_and_nothing_else(
    database_url: str, request: pytest.FixtureRequest
) -> None:
    found = "".join(f"{line}\n" for (line,) in sorted(execute(database_url, PRIVILEGES, schemas=SCHEMA_NAMES)))
    if request.config.getoption("--regenerate"):
        MATRIX.write_text(found)
    assert found == MATRIX.read_text()


def test_rows_of_athletes_are_hidden_in_every_table_that_names_athletes(database_url: str) -> None:
    named = "EXISTS (SELECT FROM pg_attribute WHERE attrelid = c.oid AND attname = 'athlete_id')"
    of_athletes = tables(database_url, named)
    assert of_athletes == tables(database_url, "c.relrowsecurity AND c.relforcerowsecurity")
    assert len(of_athletes) >= 12


@each_schema
def test_a_runtime_role_reaches_no_other_schema(database_url: str, schema: str) -> None:
    everywhere = tables(database_url)
    elsewhere = [table for table in everywhere if not table.startswith(f"{schema}.")]
    with as_role(database_url, runtime(schema)) as connection:
        for table in elsewhere:
            for statement in ("SELECT FROM {}", "INSERT INTO {} DEFAULT VALUES", DELETE, "TRUNCATE {}"):
                with pytest.raises(errors.InsufficientPrivilege):
                    connection.execute(statement.format(table).encode())
    assert len(elsewhere) >= len(everywhere) // 2


@each_schema
def test_a_runtime_role_changes_no_form_and_becomes_nobody(database_url: str, schema: str) -> None:
    own = [table for table in tables(database_url) if table.startswith(f"{schema}.")]
    forbidden = [
        f"CREATE TABLE {schema}.more (n int)",
        "CREATE TABLE public.more (n int)",
        "CREATE SCHEMA more",
        "CREATE ROLE more",
        f"DROP SCHEMA {schema} CASCADE",
        f"SET ROLE {owner(schema)}",
        f"SET ROLE {MIGRATOR}",
        f"SET SESSION AUTHORIZATION {embedded_postgres.SUPERUSER}",
        "COPY (SELECT 1) TO '/tmp/flux'",
        *(f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY" for table in own),
        *(f"CREATE POLICY mine ON {table} USING (true)" for table in own),
        *(f"DROP TABLE {table}" for table in own),
        *(f"TRUNCATE {table}" for table in own),
        UPDATE.format(f"{schema}.schema_version", "version_num", "'0'"),
        DELETE.format(f"{schema}.schema_version"),
    ]
    with as_role(database_url, runtime(schema)) as connection:
        for statement in forbidden:
            with pytest.raises(errors.InsufficientPrivilege):
                connection.execute(statement.encode())


APPENDED = ("readiness.check_ins", "debt.inbox", "conditioning.inbox", "conditioning.benchmarks", "session.activations")


@pytest.mark.parametrize("table", [*APPENDED, *(f"{schema}.rules" for schema in SCHEMAS.values())])
def test_what_was_appended_stays_as_it_is(database_url: str, table: str) -> None:
    column = a_column_of(database_url, table)
    role = runtime(table.partition(".")[0])
    with as_role(database_url, role) as connection, pytest.raises(errors.InsufficientPrivilege):
        connection.execute(UPDATE.format(table, column, column).encode())


OF_NOBODY = ("rules", "rulesets", "activations", "erasures")


@each_schema
def test_only_what_is_kept_of_athletes_can_be_deleted(database_url: str, schema: str) -> None:
    own = [table for table in tables(database_url) if table.startswith(f"{schema}.")]
    kept_for_ever = [table for table in own if table.partition(".")[2] in OF_NOBODY]
    assert kept_for_ever
    with as_role(database_url, runtime(schema)) as connection:
        for table in kept_for_ever:
            with pytest.raises(errors.InsufficientPrivilege):
                connection.execute(DELETE.format(table).encode())


@each_schema
@pytest.mark.parametrize("role", [runtime, owner])
def test_without_an_athlete_no_row_shows_also_to_the_owner(database_url: str, schema: str, role: object) -> None:
    of_athletes = [table for table in tables(database_url, "c.relrowsecurity") if table.startswith(f"{schema}.")]
    for table in of_athletes:
        add_rows(database_url, table)
    with psycopg.connect(database_url, autocommit=True) as connection:
        name = role(schema) if callable(role) else ""
        connection.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(name)))
        for table in of_athletes:
            assert athletes_in(table, connection) == []
            with connection.transaction():
                connection.execute("SELECT set_config('flux.athletes', %s, true)", [f"{{{ATHLETE}}}"])
                assert athletes_in(table, connection) == [(ATHLETE,)]
            # The setting is there and empty now, as for whoever gets the connection from a pool next.
            assert athletes_in(table, connection) == []


def athletes_in(table: str, connection: psycopg.Connection) -> list[tuple[UUID]]:
    return connection.execute(f"SELECT DISTINCT athlete_id FROM {table}".encode()).fetchall()  # noqa: S608


def add_rows(database_url: str, table: str) -> None:
    """A row each of two athletes, whatever else is in it."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")
        required = connection.execute(
            "SELECT attname, format_type(atttypid, NULL) FROM pg_attribute WHERE attrelid = %s::regclass"
            " AND attnum > 0 AND attnotnull AND NOT atthasdef AND attidentity = '' AND attname <> 'athlete_id'",
            [table],
        ).fetchall()
        checks = connection.execute(
            "SELECT conname FROM pg_constraint WHERE conrelid = %s::regclass AND contype = 'c'", [table]
        ).fetchall()
        for (check,) in checks:
            connection.execute(f'ALTER TABLE {table} DROP CONSTRAINT "{check}"'.encode())
        values = {"uuid": "gen_random_uuid()", "text": "''", "text[]": "'{}'", "json": "'{}'", "jsonb": "'{}'"}
        values |= {"integer": "1", "smallint": "1", "boolean": "true", "timestamp with time zone": "now()"}
        names = ", ".join(["athlete_id", *(name for name, _ in required)])
        for athlete in (ATHLETE, STRANGER):
            row = ", ".join([f"'{athlete}'", *(values[kind] for _, kind in required)])
            connection.execute(f"INSERT INTO {table} ({names}) VALUES ({row})".encode())  # noqa: S608 - our own words


def test_a_row_of_another_athlete_cannot_be_written(database_url: str) -> None:
    with as_role(database_url, "flux_debt") as connection, connection.transaction():
        connection.execute("SELECT set_config('flux.athletes', %s, true)", [f"{{{ATHLETE}}}"])
        connection.execute("INSERT INTO debt.athletes VALUES (%s, 1)", [ATHLETE])
        with pytest.raises(errors.InsufficientPrivilege, match="row-level security"), connection.transaction():
            connection.execute("INSERT INTO debt.athletes VALUES (%s, 1)", [STRANGER])
        with pytest.raises(errors.InsufficientPrivilege, match="row-level security"), connection.transaction():
            connection.execute("UPDATE debt.athletes SET athlete_id = %s", [STRANGER])


@pytest.mark.parametrize("schema", ["readiness", "debt", "conditioning"])
def test_only_the_gateway_may_ask_for_everyone(database_url: str, schema: str) -> None:
    of_athletes = [table for table in tables(database_url, "c.relrowsecurity") if table.startswith(f"{schema}.")]
    with as_role(database_url, runtime(schema)) as connection, connection.transaction():
        connection.execute("SELECT set_config('flux.everyone', 'on', true)")
        for table in of_athletes:
            add_rows(database_url, table)
            assert athletes_in(table, connection) == []


@pytest.fixture
def of_debt(database_url: str) -> Iterator[Database]:
    url = database_url.replace(f"//{embedded_postgres.SUPERUSER}@", "//flux_debt@")
    database = Database(url, pooler=told_pooler())
    yield database
    database.close()


def test_what_one_use_of_a_connection_sees_the_next_one_does_not(of_debt: Database, database_url: str) -> None:
    def seen(sight: Sight | None, *, alone: bool) -> list[UUID]:
        with of_debt.autocommit(sight) if alone else of_debt.transaction(sight) as connection:
            return sorted(connection.exec_driver_sql("SELECT athlete_id FROM debt.athletes").scalars())

    add_rows(database_url, "debt.athletes")
    both = sorted([ATHLETE, STRANGER])
    for alone in (True, False, True):
        assert seen(Sight.of([ATHLETE]), alone=alone) == [ATHLETE]
        assert seen(None, alone=alone) == []
        assert seen(Sight.of(both), alone=alone) == both
        assert seen(Sight.of([]), alone=alone) == []


def test_a_statement_that_fails_leaves_the_connection_usable(of_debt: Database) -> None:
    for _ in range(3):
        with pytest.raises(Exception, match="row-level security"), of_debt.autocommit(Sight.of([ATHLETE])) as one:
            one.exec_driver_sql("INSERT INTO debt.athletes VALUES (gen_random_uuid(), 1)")
        with of_debt.autocommit(Sight.of([ATHLETE])) as one:
            assert one.exec_driver_sql("SELECT 1").scalar() == 1


@each_schema
def test_statements_of_a_service_do_not_wait_for_ever(database_url: str, schema: str) -> None:
    with as_role(database_url, runtime(schema)) as connection:
        for name, value in TIMEOUTS.items():
            assert connection.execute(f"SHOW {name}".encode()).fetchone() == (value,)


def test_granting_again_changes_nothing(database_url: str) -> None:
    before = execute(database_url, PRIVILEGES, schemas=SCHEMA_NAMES)
    grants.apply(database_url)
    assert sorted(execute(database_url, PRIVILEGES, schemas=SCHEMA_NAMES)) == sorted(before)


def test_an_administrator_who_is_no_superuser_may_grant() -> None:
    """As on hosted PostgreSQL: an administrator who may make roles and schemas, and a server that has neither."""
    with socket_folder() as folder:
        supervisor = Supervisor(folder / "logs")
        try:
            cluster = embedded_postgres.prepare(folder / "data", folder / "pg")
            embedded_postgres.start(cluster, supervisor, os.environ)
            execute(cluster.url, "CREATE ROLE administrator LOGIN CREATEROLE")
            execute(cluster.url, f"GRANT CREATE ON DATABASE {embedded_postgres.DATABASE} TO administrator")
            for _ in range(2):
                grants.apply(embedded_postgres.url_of("administrator", cluster.sockets))
            migrated = flux_db("migrate", embedded_postgres.url_of(MIGRATOR, cluster.sockets))
            assert migrated.returncode == 0, migrated.stderr
            found = "".join(f"{line}\n" for (line,) in sorted(execute(cluster.url, PRIVILEGES, schemas=SCHEMA_NAMES)))
        finally:
            supervisor.stop()
    assert found == MATRIX.read_text()


# The command.


@pytest.fixture(autouse=True)
def compiled_modules_are_kept(bytecode_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPYCACHEPREFIX", str(bytecode_cache))


def flux_db(verb: str, url: str | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "shared.cli", "db", verb, *(() if url is None else ("--database-url", url))]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def test_the_command_grants_migrates_and_tells_the_versions(empty_database_url: str) -> None:
    migrator = empty_database_url.replace(f"//{embedded_postgres.SUPERUSER}@", f"//{MIGRATOR}@")
    unprepared = flux_db("migrate", migrator)
    assert unprepared.returncode == 1
    assert "an administrator of the database runs the SQL of `flux db grants` once" in unprepared.stderr
    execute(empty_database_url, flux_db("grants").stdout)
    unmigrated = readiness_svc.app.status(DatabaseSettings(database_url=migrator))
    assert unmigrated.startswith("readiness: version none, ")
    assert flux_db("migrate", migrator).returncode == 0
    lines = flux_db("status", migrator).stdout.splitlines()
    assert [line.partition(":")[0] for line in lines] == SCHEMA_NAMES
    assert all(line.endswith(", up to date") for line in lines)


def test_a_service_cannot_migrate(granted_database_url: str) -> None:
    refused = flux_db("migrate", granted_database_url.replace(f"//{embedded_postgres.SUPERUSER}@", "//flux_debt@"))
    assert refused.returncode == 1
    assert "this user cannot become flux_readiness_owner" in refused.stderr

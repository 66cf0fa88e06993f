"""Brings one service's schema to the newest version: forward only, one transaction, one migration at a time.

Everything is made by the owner of the schema, whoever logs in. Rows of athletes are hidden from the owner too: a
migration that changes some says `SET LOCAL flux.athletes` first.
"""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from types import ModuleType

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from shared.db import Database
from shared.settings import TRANSACTION, SettingsError
from shared.walls import MIGRATOR, owner

VERSION_TABLE = "schema_version"
ENVIRONMENT = Path(__file__).parent / "alembic"
# Long enough for a busy table, short enough that a blocked migration does not block its readers for ever.
LOCK_TIMEOUT = "5s"


def upgrade(database_url: str, *, schema: str, versions: Path, then: Callable[[Connection], None]) -> None:
    """Applies the migrations in `versions` that `schema` does not have yet. Several at once wait for each other.

    `then` is called in the same transaction. Raises DependencyUnavailable if the database does not answer, and
    SettingsError if it was not prepared or this user must not migrate it.
    """
    config = _config(versions)
    config.attributes["schema"] = schema
    with closing(_database(database_url)) as database, database.transaction() as connection:
        _become_owner(connection, schema)
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        then(connection)


def status(database_url: str, *, schema: str, versions: Path) -> str:
    """Which version a schema has, and which it should have. Raises as `upgrade` does."""
    newest = ScriptDirectory.from_config(_config(versions)).get_current_head()
    with closing(_database(database_url)) as database, database.transaction() as connection:
        _become_owner(connection, schema)
        number = _version(connection, schema)
    return f"{schema}: version {number or 'none'}, {'up to date' if number == newest else f'{newest} is the newest'}"


def _version(connection: Connection, schema: str) -> str | None:
    found = connection.scalar(text("SELECT to_regclass(:table)"), {"table": f"{schema}.{VERSION_TABLE}"})
    number = found and connection.scalar(text(f"SELECT version_num FROM {schema}.{VERSION_TABLE}"))  # noqa: S608
    return str(number) if number else None


def _refuse_newer(connection: Connection, schema: str, scripts: ScriptDirectory) -> None:
    number = _version(connection, schema)
    known = {script.revision for script in scripts.walk_revisions()}
    if number is not None and number not in known:
        raise SettingsError(
            [
                f"schema {schema} has version {number}, which this version of FLUX does not know; it was migrated by a"
                " newer one, and migrations only go forward: start that one"
            ]
        )


def _database(url: str) -> Database:
    """Nothing is prepared: there may be a pooler, and no statement of a migration runs often enough to miss it."""
    return Database(url, pooler=TRANSACTION)


def _config(versions: Path) -> Config:
    config = Config()
    config.set_main_option("script_location", str(ENVIRONMENT))
    config.set_main_option("version_locations", str(versions))
    config.set_main_option("path_separator", "newline")
    return config


def _become_owner(connection: Connection, schema: str) -> None:
    may = text(
        "SELECT count(*) FROM pg_roles r, pg_namespace n"
        " WHERE r.rolname = :owner AND pg_has_role(r.oid, 'MEMBER') AND n.nspname = :schema AND n.nspowner = r.oid"
    )
    if not connection.scalar(may, {"owner": owner(schema), "schema": schema}):
        raise SettingsError(
            [
                f"this user cannot become {owner(schema)}, the owner of schema {schema}; an administrator of the"
                f" database runs the SQL of `flux db grants` once, and migrations log in as {MIGRATOR}"
            ]
        )
    connection.execute(text(f"SET LOCAL ROLE {owner(schema)}"))


def run_in(context: ModuleType) -> None:
    """Runs the migrations of the schema that `upgrade` named, inside Alembic's context."""
    schema, connection = (context.config.attributes[key] for key in ("schema", "connection"))
    connection.execute(text("SELECT pg_advisory_xact_lock(hashtext(:key))"), {"key": f"flux.migrate.{schema}"})
    _refuse_newer(connection, schema, ScriptDirectory.from_config(context.config))
    connection.execute(text(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'"))
    context.configure(connection=connection, version_table=VERSION_TABLE, version_table_schema=schema)
    context.run_migrations()

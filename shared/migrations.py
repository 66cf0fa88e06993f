"""Brings one service's schema to the newest version: forward only, one transaction, one migration at a time.

Calls of older code wait meanwhile, for less than their own lock timeout: what takes longer is not for a migration.

Everything is made by the owner of the schema, whoever logs in. Rows of athletes are hidden from the owner too: a
migration that changes some says `SET LOCAL flux.athletes` first.
"""

import logging
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from types import ModuleType

import psycopg.errors
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from shared.db import Database
from shared.errors import DependencyUnavailable
from shared.schema_versions import VERSION_TABLE, History, told
from shared.settings import TRANSACTION, SettingsError
from shared.walls import MIGRATOR, owner

ENVIRONMENT = Path(__file__).parent / "alembic"
# Who waits for longer than PostgreSQL's deadlock_timeout, 1 s, may be ended for a deadlock. It must not be a call.
LOCK_TIMEOUT = "300ms"
# A migration that found calls in its way has changed nothing, and lets them pass.
ATTEMPTS, PAUSE_SECONDS = 30, 0.5

_log = logging.getLogger(__name__)


def upgrade(database_url: str, *, schema: str, versions: Path, then: Callable[[Connection], None]) -> None:
    """Applies the migrations in `versions` that `schema` does not have yet. Several at once wait for each other.

    A schema that a newer FLUX migrated stays as it is, if the code of this one runs on it.
    `then` is called in the same transaction. Raises DependencyUnavailable if the database does not answer or never lets
    the migrations have their tables, and SettingsError if it was not prepared, this user must not migrate it, or this
    code does not run on it.
    """
    for _ in range(ATTEMPTS - 1):
        try:
            return _upgrade(database_url, schema, versions, then)
        except DependencyUnavailable as error:
            if not _were_locked_out(error):
                raise
        _log.warning("calls are in the way of a migration of schema %s; it is tried again", schema)
        time.sleep(PAUSE_SECONDS)
    return _upgrade(database_url, schema, versions, then)


def _upgrade(database_url: str, schema: str, versions: Path, then: Callable[[Connection], None]) -> None:
    known = History.of(schema, versions)
    with closing(_database(database_url)) as database, database.transaction() as connection:
        _become_owner(connection, schema)
        if not known.is_up_to_date(told(connection, schema)):
            _apply(connection, known, versions)
        then(connection)


def _apply(connection: Connection, known: History, versions: Path) -> None:
    from alembic import command  # noqa: PLC0415 - most starts have nothing to migrate, and need not load it
    from alembic.config import Config  # noqa: PLC0415 - as above

    config = Config()
    config.set_main_option("script_location", str(ENVIRONMENT))
    config.set_main_option("version_locations", str(versions))
    config.set_main_option("path_separator", "newline")
    config.attributes.update(connection=connection, known=known)
    command.upgrade(config, "head")


def _were_locked_out(error: DependencyUnavailable) -> bool:
    cause = error.__cause__
    locked_out = (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected)
    return isinstance(cause, DBAPIError) and isinstance(cause.orig, locked_out)


def status(database_url: str, *, schema: str, versions: Path) -> str:
    """Which version a schema has, and which it should have. Raises as `upgrade` does."""
    known = History.of(schema, versions)
    with closing(_database(database_url)) as database, database.transaction() as connection:
        _become_owner(connection, schema)
        version, oldest_code = told(connection, schema)
    if version == known.newest:
        state = "up to date"
    elif not known.is_newer(version):
        state = f"{known.newest} is the newest"
    elif oldest_code in known.known:
        state = "of a newer FLUX, and this one runs on it"
    else:
        state = "of a newer FLUX, and this one does not run on it"
    return f"{schema}: version {version or 'none'}, {state}"


def _database(url: str) -> Database:
    """Nothing is prepared: there may be a pooler, and no statement of a migration runs often enough to miss it."""
    return Database(url, pooler=TRANSACTION)


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


def _have_all_tables(connection: Connection, schema: str) -> None:
    """Locks them before anything changes: what got one after the other would have calls wait for it in between."""
    tables = connection.scalars(
        text(
            "SELECT c.oid::regclass::text FROM pg_class c WHERE relnamespace = CAST(:schema AS regnamespace)"
            " AND relkind IN ('r', 'p') ORDER BY relname"
        ),
        {"schema": schema},
    ).all()
    connection.execute(text(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'"))
    if tables:
        connection.execute(text(f"LOCK TABLE {', '.join(tables)} IN ACCESS EXCLUSIVE MODE"))


def run_in(context: ModuleType) -> None:
    """Runs the migrations of the schema that `upgrade` named, inside Alembic's context."""
    connection: Connection = context.config.attributes["connection"]
    known: History = context.config.attributes["known"]
    lock = {"key": f"flux.migrate.{known.schema}"}
    connection.execute(text("SELECT pg_advisory_xact_lock(hashtext(:key))"), lock)
    version, oldest_code = told(connection, known.schema)
    if known.is_newer(version):
        if oldest_code not in known.known:
            raise SettingsError([known.too_new(version)])
        return
    _have_all_tables(connection, known.schema)
    context.configure(connection=connection, version_table=VERSION_TABLE, version_table_schema=known.schema)
    context.run_migrations()
    known.tell(connection)

"""Brings one service's schema to the newest version: forward only, one transaction, one migration at a time."""

from pathlib import Path
from types import ModuleType

from alembic import command
from alembic.config import Config
from sqlalchemy import text

from shared.db import Database

ENVIRONMENT = Path(__file__).parent / "alembic"
# Long enough for a busy table, short enough that a blocked migration does not block its readers for ever.
LOCK_TIMEOUT = "5s"


def upgrade(database_url: str, *, schema: str, versions: Path) -> None:
    """Applies the migrations in `versions` that `schema` does not have yet. Several at once wait for each other.

    Raises DependencyUnavailable if the database does not answer.
    """
    config = Config()
    config.set_main_option("script_location", str(ENVIRONMENT))
    config.set_main_option("version_locations", str(versions))
    config.set_main_option("path_separator", "newline")
    config.attributes["schema"] = schema
    database = Database(database_url)
    try:
        with database.transaction() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    finally:
        database.close()


def run_in(context: ModuleType) -> None:
    """Runs the migrations of the schema that `upgrade` named, inside Alembic's context."""
    schema, connection = (context.config.attributes[key] for key in ("schema", "connection"))
    connection.execute(text("SELECT pg_advisory_xact_lock(hashtext(:key))"), {"key": f"flux.migrate.{schema}"})
    connection.execute(text(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'"))
    connection.execute(text(f'CREATE SCHEMA IF NOT EXISTS "{schema}"'))
    context.configure(connection=connection, version_table="schema_version", version_table_schema=schema)
    context.run_migrations()

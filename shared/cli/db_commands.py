"""`flux db`: what an administrator grants, the versions of the schemas, and whether the data is sound."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import psycopg
import typer
from rich.console import Console
from rich.table import Table

from shared import embedded_postgres
from shared.cli import invariants
from shared.cli.common import DEFAULT_DATA_DIR, DataDir, fail, progress
from shared.grants import grants
from shared.walls import MIGRATOR, SCHEMAS

app = typer.Typer(no_args_is_help=True, help="The database: what must be granted, versions, soundness.")

VARIABLE = "FLUX_MIGRATION_DATABASE_URL"
DatabaseUrl = Annotated[
    str | None,
    typer.Option(help=f"PostgreSQL, for a user who may migrate; else {VARIABLE}, or what runs in the data directory."),
]


@app.command("grants")
def show_grants() -> None:
    """Print the SQL that an administrator of the database runs once, before the first migration."""
    print(grants(), end="")


@app.command("migrate")
def migrate(database_url: DatabaseUrl = None, data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """Bring the schemas of all services to their newest version."""
    _each("migrate", _environment(database_url, data_dir))
    progress("every schema is up to date")


@app.command("status")
def status(database_url: DatabaseUrl = None, data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """Show which version each schema has, and which it should have."""
    _each("status", _environment(database_url, data_dir))


@app.command("invariants")
def check_invariants(
    database_url: Annotated[
        str | None,
        typer.Option(help="PostgreSQL, for who sees every row; else what runs in the data directory."),
    ] = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Check that no effect was lost, doubled or unearned, while FLUX runs; exit with 1 if one was. Changes nothing."""
    embedded = embedded_postgres.url_of(embedded_postgres.SUPERUSER, (data_dir / "run").resolve() / "pg")
    try:
        outcomes = invariants.check_snapshot(database_url or embedded)
    except psycopg.Error as error:
        fail(error)
    table = Table("promise", "broken", "for example")
    for outcome in outcomes:
        table.add_row(outcome.invariant.promise, str(outcome.count), "\n".join(outcome.examples))
    Console().print(table)
    raise typer.Exit(1 if any(outcome.count for outcome in outcomes) else 0)


def _environment(database_url: str | None, data_dir: Path) -> dict[str, str]:
    if database_url is None and {VARIABLE, f"{VARIABLE}_FILE"} & set(os.environ):
        return dict(os.environ)
    embedded = embedded_postgres.url_of(MIGRATOR, (data_dir / "run").resolve() / "pg")
    return {**os.environ, VARIABLE: database_url or embedded}


def _each(verb: str, environment: dict[str, str]) -> None:
    """Asks every service to do this to its schema, and ends with exit status 1 if one cannot."""
    for package in SCHEMAS:
        done = subprocess.run([sys.executable, "-m", package, verb], env=environment, check=False)
        if done.returncode != 0:
            raise typer.Exit(1)

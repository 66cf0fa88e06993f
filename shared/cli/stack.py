"""The whole of FLUX on one machine: database, four services, front door, as processes of one supervisor."""

import fcntl
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import psycopg

from shared import embedded_postgres, embedded_python, grants
from shared.cli.programs import Database, Programs
from shared.clock import SystemClock
from shared.configuration import Account
from shared.envoy_drain import drain
from shared.local_identity import LocalIdentity
from shared.rpc.probe import serves
from shared.supervisor import STOP_SECONDS, ProgramStopped, Supervisor
from shared.walls import MIGRATOR, SCHEMAS, runtime

__all__ = ["CannotStart", "Options", "ProgramStopped", "Running", "answers", "only_database", "running", "serves"]

READY_SECONDS = 60.0
GATEWAY = "gateway"
# Metrics ask nobody who they are, so they stay on this machine.
METRICS_HOST = "127.0.0.1"
# A Unix socket's path may have 107 bytes; ours end in at most 16 of their own.
LONGEST_SOCKET_FOLDER = 90


class CannotStart(Exception):
    """Nothing was started, for a reason that the user can mend."""


@dataclass(frozen=True)
class Options:
    """Where to run. `database_url` None: PostgreSQL is embedded. `port` 0: any that is free.

    `metrics_port`: of the metrics of the first service, the others and Envoy follow. None: there are no metrics.
    `is_hosted`: for athletes of an issuer that the environment names, with logs where ours are, and a database.
    """

    host: str
    port: int
    data_dir: Path
    database_url: str | None
    metrics_port: int | None = None
    is_hosted: bool = False


@dataclass(frozen=True)
class Running:
    """A stack that is up."""

    url: str


@contextmanager
def running(options: Options, tell: Callable[[str], None]) -> Iterator[tuple[Running, Supervisor]]:
    """Starts the stack and stops it at the end, whatever happens.

    Raises CannotStart before anything is started, and ProgramStopped if a part of it ends by itself.
    """
    port = _free_port(options.host, options.port, "--host or --port")
    if options.metrics_port is not None:
        for index in range(len(SCHEMAS) + 1):
            _free_port(METRICS_HOST, options.metrics_port + index, "--metrics-port")
    if options.database_url is not None:
        _check_database(options.database_url)
    data_dir = _writable(options.data_dir)
    with _only_user(data_dir), _socket_folder(data_dir) as sockets:
        supervisor = Supervisor(None if options.is_hosted else data_dir / "logs")
        programs = Programs(data_dir, sockets, None if options.is_hosted else _local_identity(data_dir))
        stack = _Stack(programs, supervisor, tell)
        stack.check_environment(options.host, port)
        try:
            given = options.database_url
            database = stack.start_postgres() if given is None else _prepared(given)
            yield Running(stack.start(database, options.host, port, options.metrics_port)), supervisor
        finally:
            drain(sockets / "admin.sock", lame_duck_seconds=0, seconds=STOP_SECONDS)
            supervisor.stop()


@contextmanager
def only_database(data_dir: Path) -> Iterator[str]:
    """The embedded PostgreSQL of a data directory, and nothing else: its URL, for its superuser.

    Raises CannotStart if something runs there, and ProgramStopped.
    """
    data_dir = _writable(data_dir)
    with _only_user(data_dir), _socket_folder(data_dir) as sockets:
        supervisor = Supervisor(data_dir / "logs")
        try:
            cluster = _embedded(data_dir, sockets)
            embedded_postgres.start(cluster, supervisor, os.environ)
            yield cluster.url
        finally:
            supervisor.stop()


@dataclass(frozen=True)
class _Stack:
    """The parts, in the order in which they are started."""

    programs: Programs
    supervisor: Supervisor
    tell: Callable[[str], None]

    def check_environment(self, host: str, port: int) -> None:
        """Returns if what the environment says of identity and pages can be used. Raises CannotStart."""
        if self.programs.identity is not None:
            return
        environment = self.programs.front_door(host, port).environment
        command = [sys.executable, "-m", "gateway.envoy", "settings"]
        told = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout
        problems = Account.from_json(told).problems
        if problems:
            raise CannotStart("\n".join(problems))

    def start_postgres(self) -> Database:
        with self._timed("PostgreSQL"):
            cluster = _embedded(self.programs.data_dir, self.programs.sockets)
            embedded_postgres.start(cluster, self.supervisor, self.programs.environment())
            grants.apply(cluster.url)
        return embedded_database(cluster)

    def start(self, database: Database, host: str, port: int, metrics_port: int | None) -> str:
        """Services, gateway and front door. Returns the URL of the front door."""
        *metrics, front_metrics = (_metrics(metrics_port, index) for index in range(len(SCHEMAS) + 1))
        metrics_of = dict(zip(SCHEMAS, metrics, strict=True))
        apart = [service for service in SCHEMAS if service != GATEWAY or not self._holds_gateway()]
        with self._timed("migrations, rules and services"):
            for service in apart:
                self.supervisor.start(self.programs.service(service, database, metrics_of[service]))
            if GATEWAY not in apart:  # it finds the services by itself
                door = self.programs.front_door_with_gateway(host, port, database, metrics_of[GATEWAY], front_metrics)
                self.supervisor.start(door)
            for service in apart:
                self._wait(service, partial(serves, self.programs.target(service)))
        url = f"http://{_shown(host)}:{port}"
        with self._timed("the front door"):
            if GATEWAY in apart:
                self.supervisor.start(self.programs.front_door(host, port, front_metrics))
            self._wait("the front door", partial(answers, f"{url}/healthz"))
        return url

    def _holds_gateway(self) -> bool:
        """Whether the gateway runs inside Envoy: unless the environment decides, it does wherever that is possible."""
        environment = self.programs.environment()
        chosen = environment.get("FLUX_GATEWAY_HOST")
        if chosen is not None:
            return chosen == "envoy"
        # Envoy's router tells the trace of a call, and there is none before a gateway inside.
        is_traced = environment.get("OTEL_EXPORTER_OTLP_ENDPOINT")
        reason = "it is traced" if is_traced else embedded_python.why_not()
        if reason is not None:
            self.tell(f"the gateway is a process of its own, which is slower, for {reason}")
        return reason is None

    def _wait(self, what: str, condition: Callable[[], bool]) -> None:
        if not self.supervisor.wait_until(condition, READY_SECONDS):
            where = self.supervisor.logs or "what it says above"
            raise CannotStart(f"{what} is not ready after {READY_SECONDS:.0f} s; see {where}")

    @contextmanager
    def _timed(self, what: str) -> Iterator[None]:
        self.tell(f"starting {what} …")
        begun = time.monotonic()
        yield
        self.tell(f"{what} ready after {time.monotonic() - begun:.1f} s")


def _metrics(port: int | None, index: int) -> str | None:
    """Where the metrics of a part are: on ports in a row, if at all."""
    return None if port is None else f"{METRICS_HOST}:{port + index}"


def _embedded(data_dir: Path, sockets: Path) -> embedded_postgres.Cluster:
    try:
        return embedded_postgres.prepare(data_dir / "postgres", sockets / "pg")
    except FileNotFoundError as error:
        raise CannotStart(str(error)) from None


def embedded_database(cluster: embedded_postgres.Cluster) -> Database:
    """The database of an embedded PostgreSQL, where who reaches its socket may be any role."""
    url_of = partial(embedded_postgres.url_of, sockets=cluster.sockets)
    return Database(url_of(MIGRATOR), lambda schema: url_of(runtime(schema)))


def _local_identity(data_dir: Path) -> LocalIdentity:
    identity = LocalIdentity(data_dir)
    identity.prepare(SystemClock().now())
    return identity


def _free_port(host: str, port: int, setting: str) -> int:
    try:
        with socket.create_server((host, port), reuse_port=False) as probe:
            return int(probe.getsockname()[1])
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise CannotStart(f"cannot listen on {host}:{port}: {reason}; choose another {setting}") from None


def _check_database(url: str) -> None:
    if not url.startswith(("postgresql://", "postgres://")):
        raise CannotStart("--database-url must be a URL such as postgresql://user@host:5432/database")
    try:
        psycopg.connect(url, connect_timeout=5).close()
    except psycopg.Error as error:
        reason = str(error).strip().partition("\n")[0]
        raise CannotStart(f"cannot use the database of --database-url: {reason}") from None


def _prepared(url: str) -> Database:
    """The database of an administrator, who is no more than a service where one asks. Raises CannotStart."""
    try:
        grants.apply(url)
    except psycopg.Error as error:
        reason = str(error).strip().partition("\n")[0]
        raise CannotStart(f"cannot prepare the database of --database-url as `flux db grants` says: {reason}") from None
    return Database(url, partial(grants.as_runtime, url))


def _writable(data_dir: Path) -> Path:
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=data_dir):
            return data_dir.resolve()
    except OSError as error:
        raise CannotStart(f"cannot write to the data directory {data_dir}: {error.strerror}") from None


@contextmanager
def _only_user(data_dir: Path) -> Iterator[None]:
    with (data_dir / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise CannotStart(f"another FLUX runs on {data_dir}; choose another --data-dir") from None
        yield


@contextmanager
def _socket_folder(data_dir: Path) -> Iterator[Path]:
    """A folder for sockets: in the data directory, or in the system's temporary one if that path is too long."""
    folder = data_dir / "run"
    if len(bytes(folder)) <= LONGEST_SOCKET_FOLDER:
        folder.mkdir(exist_ok=True)
        folder.chmod(0o711)  # PostgreSQL's own user passes through, and can read nothing
        yield folder
    else:
        with tempfile.TemporaryDirectory(prefix="flux-") as temporary:
            Path(temporary).chmod(0o711)
            folder.unlink(missing_ok=True)
            folder.symlink_to(temporary)  # so that other commands find the sockets
            yield Path(temporary)


def answers(url: str) -> bool:
    """Whether a GET of `url` is answered with 200."""
    try:
        with urllib.request.urlopen(url, timeout=1) as answer:  # noqa: S310 - our own front door
            return bool(answer.status == 200)
    except (OSError, urllib.error.URLError):
        return False


def _shown(host: str) -> str:
    return "127.0.0.1" if host in {"0.0.0.0", ""} else f"[{host}]" if ":" in host else host  # noqa: S104 - compared only

"""What is measured: the whole of FLUX, and its floor, the same processes and the same Envoy with empty handlers."""

import socket
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from uuid import UUID

import msgspec

from gateway.public import PUBLIC_SERVICES
from shared import embedded_postgres
from shared.cli.programs import Programs
from shared.cli.stack import Options, answers, running, serves
from shared.clock import SystemClock
from shared.local_identity import LocalIdentity
from shared.supervisor import Program, Supervisor
from tests.benchmarks.echo import Answer, Echo
from tests.benchmarks.load import CannotMeasure
from tests.benchmarks.processes import ECHO, Processes, started_here

READY_SECONDS = 60.0


@dataclass(frozen=True)
class Topology:
    """Processes that are up."""

    url: str
    data_dir: Path
    processes: Processes

    def target(self, service: str) -> str:
        """Where a service listens."""
        return f"unix:{self.socket(service)}"

    def database_url(self, role: str = embedded_postgres.SUPERUSER) -> str:
        """URL of the embedded database, as a role."""
        return embedded_postgres.url_of(role, self.data_dir / "run" / "pg")

    def socket(self, service: str) -> Path:
        """The socket of a service, if it has one of its own."""
        return self.data_dir / "run" / service

    def token(self, athlete_id: UUID) -> str:
        """An access token of an athlete, which outlives every measurement."""
        return LocalIdentity(self.data_dir).mint(athlete_id, SystemClock().now())


@contextmanager
def real() -> Iterator[Topology]:
    """All of FLUX, in a folder of its own."""
    started = started_here()
    with tempfile.TemporaryDirectory(prefix="flux-bench-") as folder:
        data_dir = Path(folder) / "data"
        with running(Options("127.0.0.1", 0, data_dir, None), lambda _: None) as (stack, _):
            yield Topology(stack.url, data_dir, started())


@contextmanager
def floor(identity: LocalIdentity, servers: Mapping[str, Mapping[str, Answer]]) -> Iterator[Topology]:
    """Envoy before a `gateway`, and what else answers, by the name of the server; none of it thinks.

    Answers may call `unix:NAME`, which is the server of that name. Raises CannotMeasure.
    """
    started = started_here()
    with tempfile.TemporaryDirectory(prefix="flux-bench-") as folder:
        data_dir = Path(folder)
        sockets = data_dir / "run"
        sockets.mkdir()
        programs = Programs(data_dir, sockets, identity)
        supervisor = Supervisor(data_dir / "logs")
        try:
            for name, methods in servers.items():
                supervisor.start(_echo(programs, name, methods))
            for name in servers:
                if not supervisor.wait_until(partial(serves, programs.target(name)), READY_SECONDS):
                    raise CannotMeasure(f"the empty {name} does not serve")
            port = _free_port()
            supervisor.start(programs.front_door("127.0.0.1", port))
            url = f"http://127.0.0.1:{port}"
            if not supervisor.wait_until(partial(answers, f"{url}/healthz"), READY_SECONDS):
                raise CannotMeasure("Envoy does not serve before empty handlers")
            yield Topology(url, data_dir, started())
        finally:
            supervisor.stop()


def _echo(programs: Programs, name: str, methods: Mapping[str, Answer]) -> Program:
    for answer in methods.values():
        for call in answer.calls:
            call.target = programs.target(call.target)
    file = programs.data_dir / f"{name}.json"
    is_gateway = name == "gateway"
    echo = Echo(programs.target(name), is_gateway, list(PUBLIC_SERVICES) if is_gateway else [], dict(methods))
    file.write_bytes(msgspec.json.encode(echo))
    return Program(name, (sys.executable, "-m", ECHO, str(file)), programs.environment())


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])

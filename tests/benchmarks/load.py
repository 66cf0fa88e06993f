"""Load generators, each a process of its own: wrk for HTTP, a client of ours for gRPC."""

import base64
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from tests.benchmarks.figures import Load

REPLAY = Path(__file__).with_name("replay.lua")
ROOT = Path(__file__).parents[2]


class CannotMeasure(Exception):
    """Something that measuring needs is missing, or answers wrongly; says what."""


@dataclass(frozen=True)
class GrpcCall:
    """A request of a method as bytes, and the access token that it goes with, if any."""

    request: bytes
    token: str = ""


def check_wrk() -> None:
    """Returns if there is wrk. Raises CannotMeasure."""
    if shutil.which("wrk") is None:
        raise CannotMeasure("wrk is not installed, which makes the load: `apt install wrk`, or `brew install wrk`")


def http_request(
    method: str, path: str, token: str, body: bytes = b"", content_type: str = "application/json"
) -> bytes:
    """A whole request of HTTP/1.1."""
    lines = [f"{method} {path} HTTP/1.1", "host: flux", f"authorization: Bearer {token}"]
    if body:
        lines += [f"content-type: {content_type}", f"content-length: {len(body)}"]
    return "\r\n".join([*lines, "", ""]).encode() + body


def by_http(url: str, requests: Iterable[bytes], connections: int, seconds: float, *, once: bool = False) -> Load:
    """Sends requests in turn over so many connections, each waiting for its answer. `once`: none of them again.

    Raises CannotMeasure.
    """
    with tempfile.NamedTemporaryFile(prefix="flux-requests-") as file:
        for request in requests:
            file.write(b"%d\n%s" % (len(request), request))
        file.flush()
        command = ["wrk", "-t1", f"-c{connections}", f"-d{max(round(seconds), 1)}s", "--timeout", "10s"]
        answer = _run([*command, "-s", str(REPLAY), url, "--", file.name, "once" if once else "again"])
    return replace(msgspec.json.decode(answer.splitlines()[-1], type=Load), unfinished=connections)


def by_grpc(target: str, method: str, calls: Sequence[GrpcCall], connections: int, seconds: float) -> Load:
    """The same for one method of a gRPC server. Raises CannotMeasure."""
    job = {
        "target": target,
        "method": method,
        "calls": [[base64.b64encode(call.request).decode(), call.token] for call in calls],
        "connections": connections,
        "seconds": seconds,
    }
    return msgspec.json.decode(_run([sys.executable, "-m", "tests.benchmarks.grpc_load"], json.dumps(job)), type=Load)


def _run(command: Sequence[str], given: str = "") -> str:
    ran = subprocess.run(command, input=given, capture_output=True, text=True, check=False, cwd=ROOT)
    if ran.returncode != 0:
        raise CannotMeasure(f"{command[0]} failed: {(ran.stderr or ran.stdout).strip()[-1000:]}")
    return ran.stdout

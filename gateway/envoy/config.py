"""Decides what the front door lets in: the public calls, how long each may take, and what Envoy says when it refuses.

Routes, the transcoder's services and the text of a 404 come from the descriptor set, the contract itself.
"""

import base64
import ipaddress
import re
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Self

from flux.common.v1.error_reason_pb2 import ErrorReason
from google.api import annotations_pb2  # parsed options hold google.api.http only once this is imported
from google.protobuf.descriptor_pb2 import FileDescriptorSet, MethodDescriptorProto, MethodOptions
from google.rpc import code_pb2, error_details_pb2, status_pb2
from jinja2 import Environment, StrictUndefined

from shared.settings import SettingsError

PUBLIC_SERVICES = ("flux.app.v1.AppService", "flux.session.v1.SessionService")
HEALTH_SERVICE = "flux.session.v1.SessionService"
MAX_BODY_BYTES = 256 * 1024
MAX_DOCUMENT_BYTES = 4 * 1024 * 1024
ERROR_DOMAIN = "flux.engine"

_MAX_SOCKET_PATH = 107  # the kernel's limit, in bytes
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\]")
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[^\s/?#@,]+")
_PREFIX = "ERROR_REASON_"


@dataclass(frozen=True)
class FrontDoor:
    """Where the front door listens, whom it speaks for, and what stands behind it."""

    host: str
    port: int
    gateway: str  # unix:/path, or host:port
    run_dir: Path
    cors_origins: tuple[str, ...] = ("*",)  # ("*",) is any
    athlete_id: str = "00000000-0000-4000-8000-000000000001"

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Self:
        """Reads the FLUX_… variables. Raises SettingsError that names every problem."""
        host = environ.get("FLUX_FRONT_HOST", "127.0.0.1")
        port = environ.get("FLUX_FRONT_PORT")
        gateway = environ.get("FLUX_GATEWAY_TARGET")
        run_dir = environ.get("FLUX_RUN_DIR")
        origins = tuple(part.strip() for part in environ.get("FLUX_CORS_ORIGINS", "*").split(",") if part.strip())
        athlete = environ.get("FLUX_LOCAL_ATHLETE", cls.athlete_id)
        problems = [
            *_problems_of_host(host),
            *_problems_of_port(port),
            *_problems_of_gateway(gateway),
            *_problems_of_run_dir(run_dir),
            *_problems_of_origins(origins),
            *_problems_of_athlete(athlete),
        ]
        if problems or port is None or gateway is None or run_dir is None:
            raise SettingsError(problems)
        return cls(host, int(port), gateway, Path(run_dir), origins, str(uuid.UUID(athlete)))

    @property
    def configuration(self) -> Path:
        """The file that the rendered configuration goes to."""
        return self.run_dir / "envoy.yaml"

    @property
    def admin_socket(self) -> Path:
        """The unix socket of Envoy's admin interface."""
        return self.run_dir / "admin.sock"

    @property
    def openapi(self) -> Path:
        """The file that `GET /openapi.json` answers with."""
        return self.run_dir / "openapi.json"

    @property
    def access_log(self) -> Path:
        """The file that gets one JSON line per request."""
        return self.run_dir / "access.log"


@dataclass(frozen=True)
class Call:
    """One public RPC. A read changes nothing, so it may be tried again after it has reached the gateway."""

    path: str
    is_read: bool
    http: tuple[str, ...]  # such as "GET /user/state"


@dataclass(frozen=True)
class Refusal:
    """What Envoy itself answers: the first refusal whose range holds the HTTP status."""

    least: int
    most: int
    code: int
    reason: str
    message: str
    quotes_envoy: bool = False  # whether Envoy's own words follow the message
    native_code: int | None = None  # for gRPC clients, where custom wants another code

    @property
    def grpc_code(self) -> int:
        """The status code for a gRPC client."""
        return self.code if self.native_code is None else self.native_code

    @property
    def message_format(self) -> str:
        """The message in Envoy's substitution format."""
        return self.message.replace("%", "%%") + (": %LOCAL_REPLY_BODY%" if self.quotes_envoy else "")

    @property
    def grpc_details(self) -> str | None:
        """The trailer grpc-status-details-bin; None where the message, which it repeats, is not known beforehand."""
        if self.quotes_envoy:
            return None
        status = status_pb2.Status(code=self.grpc_code, message=self.message)
        status.details.add().Pack(error_details_pb2.ErrorInfo(reason=self.reason, domain=ERROR_DOMAIN))
        return base64.b64encode(status.SerializeToString(deterministic=True)).decode().rstrip("=")


def public_calls(descriptors: FileDescriptorSet) -> tuple[Call, ...]:
    """The RPCs of the public services, in the contract's order. Raises ValueError for one that cannot be served."""
    services = {f"{file.package}.{service.name}": service for file in descriptors.file for service in file.service}
    missing = [name for name in PUBLIC_SERVICES if name not in services]
    if missing:
        raise ValueError(f"not in the descriptor set: {', '.join(missing)}")
    calls = []
    for name in PUBLIC_SERVICES:
        for method in services[name].method:
            path = f"/{name}/{method.name}"
            if method.client_streaming or method.server_streaming:
                raise ValueError(f"{path} is a stream, and the front door has no policy for streams")
            is_read = method.options.idempotency_level == MethodOptions.NO_SIDE_EFFECTS
            calls.append(Call(path, is_read, tuple(_http_endpoints(method))))
    return tuple(calls)


def refusals(calls: tuple[Call, ...]) -> tuple[Refusal, ...]:
    """Envoy's own errors, the specific before the general."""
    endpoints = ", ".join(endpoint for call in calls for endpoint in call.http)
    return (
        _refusal(
            404,
            404,
            code_pb2.NOT_FOUND,
            ErrorReason.ERROR_REASON_NO_SUCH_ENDPOINT,
            f"no such endpoint, or not with this HTTP method; there are: {endpoints}",
            native_code=code_pb2.UNIMPLEMENTED,
        ),
        _refusal(
            408,
            408,
            code_pb2.DEADLINE_EXCEEDED,
            ErrorReason.ERROR_REASON_DEADLINE_TOO_SHORT,
            "the request did not arrive in time, retry",
        ),
        _refusal(
            413,
            413,
            code_pb2.OUT_OF_RANGE,
            ErrorReason.ERROR_REASON_REQUEST_TOO_LARGE,
            f"the request body is larger than {MAX_BODY_BYTES // 1024} KiB, the most that is accepted",
        ),
        _refusal(
            415,
            415,
            code_pb2.INVALID_ARGUMENT,
            ErrorReason.ERROR_REASON_MALFORMED_REQUEST,
            "grpc-encoding must be identity, gzip or deflate",
        ),
        _refusal(
            400,
            499,
            code_pb2.INVALID_ARGUMENT,
            ErrorReason.ERROR_REASON_MALFORMED_REQUEST,
            "malformed request",
            quotes_envoy=True,
        ),
        _refusal(
            503,
            503,
            code_pb2.UNAVAILABLE,
            ErrorReason.ERROR_REASON_DEPENDENCY_UNAVAILABLE,
            "temporarily unavailable, retry",
        ),
        _refusal(
            504,
            504,
            code_pb2.DEADLINE_EXCEEDED,
            ErrorReason.ERROR_REASON_DEADLINE_TOO_SHORT,
            "not finished within the time that this call may take, retry",
        ),
        _refusal(500, 599, code_pb2.INTERNAL, ErrorReason.ERROR_REASON_INTERNAL, "internal error"),
    )


def render(front_door: FrontDoor, descriptors: FileDescriptorSet, descriptor_path: Path) -> str:
    """Envoy's whole configuration as YAML. `descriptor_path` is where Envoy will read `descriptors` from."""
    # It writes YAML, not HTML: every value goes through `tojson`, which YAML reads as a quoted string.
    environment = Environment(undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)  # noqa: S701
    template = environment.from_string(resources.files(__package__).joinpath("front_door.yaml.j2").read_text("utf-8"))
    calls = public_calls(descriptors)
    unix_path = front_door.gateway.removeprefix("unix:") if front_door.gateway.startswith("unix:") else None
    host, _, port = front_door.gateway.rpartition(":")
    return template.render(
        door=front_door,
        gateway_socket=unix_path,
        gateway_host=host.strip("[]"),
        gateway_port=port,
        descriptor_path=descriptor_path,
        services=PUBLIC_SERVICES,
        health_service=HEALTH_SERVICE,
        calls=calls,
        refusals=refusals(calls),
        error_domain=ERROR_DOMAIN,
        max_body_bytes=MAX_BODY_BYTES,
        max_document_bytes=MAX_DOCUMENT_BYTES,
    )


def _refusal(
    least: int,
    most: int,
    code: int,
    reason: ErrorReason,
    message: str,
    *,
    quotes_envoy: bool = False,
    native_code: int | None = None,
) -> Refusal:
    name = ErrorReason.Name(reason).removeprefix(_PREFIX)
    return Refusal(least, most, code, name, message, quotes_envoy, native_code)


def _http_endpoints(method: MethodDescriptorProto) -> Iterator[str]:
    rule = method.options.Extensions[annotations_pb2.http]
    for binding in (rule, *rule.additional_bindings):
        pattern = binding.WhichOneof("pattern")
        if pattern == "custom":
            yield f"{binding.custom.kind} {binding.custom.path}"
        elif pattern is not None:
            yield f"{pattern.upper()} {getattr(binding, pattern)}"


def _problems_of_host(host: str) -> Iterator[str]:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        yield f"FLUX_FRONT_HOST must be an IP address to listen on, such as 127.0.0.1 or 0.0.0.0, not {host!r}"


def _problems_of_port(port: str | None) -> Iterator[str]:
    if port is None:
        yield "FLUX_FRONT_PORT is not set: the TCP port to listen on"
    elif not re.fullmatch(r"[0-9]{1,5}", port) or not 1 <= int(port) <= 65535:
        yield f"FLUX_FRONT_PORT must be a whole number from 1 to 65535, not {port!r}"


def _problems_of_gateway(gateway: str | None) -> Iterator[str]:
    expected = "unix:/path/to/socket or host:port"
    if gateway is None:
        yield f"FLUX_GATEWAY_TARGET is not set: the address of the gateway, {expected}"
    elif gateway.startswith("unix:"):
        path = gateway.removeprefix("unix:")
        if not path.startswith("/"):
            yield f"FLUX_GATEWAY_TARGET must be {expected}, and the path absolute, not {gateway!r}"
        elif len(path.encode()) > _MAX_SOCKET_PATH:
            yield f"FLUX_GATEWAY_TARGET: a socket path has at most {_MAX_SOCKET_PATH} bytes"
    else:
        host, _, port = gateway.rpartition(":")
        if not _HOST.fullmatch(host) or any(_problems_of_port(port)):
            yield f"FLUX_GATEWAY_TARGET must be {expected}, not {gateway!r}"


def _problems_of_run_dir(run_dir: str | None) -> Iterator[str]:
    if run_dir is None:
        yield "FLUX_RUN_DIR is not set: the folder for the configuration, the admin socket and the access log"
    elif not run_dir.startswith("/"):
        yield f"FLUX_RUN_DIR must be an absolute path, not {run_dir!r}"
    elif len(f"{run_dir}/admin.sock".encode()) > _MAX_SOCKET_PATH:
        yield f"FLUX_RUN_DIR is too long to hold a socket: a socket path has at most {_MAX_SOCKET_PATH} bytes"


def _problems_of_origins(origins: tuple[str, ...]) -> Iterator[str]:
    if not origins:
        yield "FLUX_CORS_ORIGINS is empty: give * or a list of origins such as http://localhost:8081"
    elif origins != ("*",):
        for origin in origins:
            if not _ORIGIN.fullmatch(origin):
                yield (
                    "FLUX_CORS_ORIGINS must be * alone or a list of origins such as http://localhost:8081, "
                    f"which {origin!r} is not"
                )


def _problems_of_athlete(athlete: str) -> Iterator[str]:
    try:
        uuid.UUID(athlete)
    except ValueError:
        yield f"FLUX_LOCAL_ATHLETE must be a UUID, not {athlete!r}"

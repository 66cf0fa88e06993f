"""Reads where the front door listens, whom it believes, and what stands behind it, from the environment."""

import ipaddress
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from gateway.envoy.limits import Limits
from gateway.envoy.rates import RateLimits
from gateway.envoy.tls import TlsSettings
from gateway.identity.settings import IdentitySettings
from shared.embedded_python import why_not
from shared.rpc.peers import problems_of
from shared.settings import (
    JSON,
    LogSettings,
    PeerSettings,
    SettingsError,
    TraceSettings,
    at_least_one,
    grace_setting,
    lame_duck_setting,
    read,
    setting,
)

ENVOY = "envoy"
PROCESS = "process"
ADMIN_SOCKET = "admin.sock"
_MAX_SOCKET_PATH = 107  # the kernel's limit, in bytes
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\]")
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[^\s/?#@,]+")


def _problems_of_host(variable: str, host: str) -> Iterator[str]:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        yield f"{variable} must be an IP address to listen on, such as 127.0.0.1 or 0.0.0.0, not {host!r}"


def _problems_of_port(variable: str, port: str) -> Iterator[str]:
    if not _is_port(port):
        yield f"{variable} must be a whole number from 1 to 65535, not {port!r}"


def _is_port(port: str) -> bool:
    return re.fullmatch(r"[0-9]{1,5}", port) is not None and 1 <= int(port) <= 65535


def _problems_of_gateways(variable: str, listed: str) -> Iterator[str]:
    expected = "unix:/path/to/socket or host:port, for several gateways a list with commas"
    gateways = _list(listed)
    if not gateways:
        yield f"{variable} must be {expected}, and is empty"
    if len({gateway.startswith("unix:") for gateway in gateways}) > 1:
        yield f"{variable} must be sockets alone, or hosts alone"
    for gateway in gateways:
        if gateway.startswith("unix:"):
            path = gateway.removeprefix("unix:")
            if not path.startswith("/"):
                yield f"{variable} must be {expected}, and the path absolute, not {gateway!r}"
            elif len(path.encode()) > _MAX_SOCKET_PATH:
                yield f"{variable}: a socket path has at most {_MAX_SOCKET_PATH} bytes"
        else:
            host, _, port = gateway.rpartition(":")
            if not _HOST.fullmatch(host) or not _is_port(port):
                yield f"{variable} must be {expected}, not {gateway!r}"


def _problems_of_host_of_gateway(variable: str, host: str) -> Iterator[str]:
    if host not in {ENVOY, PROCESS}:
        yield f"{variable} must be {ENVOY} or {PROCESS}, not {host!r}"
    reason = why_not() if host == ENVOY else None
    if reason is not None:
        yield f"{variable} cannot be {ENVOY}: {reason}; it may be {PROCESS}"


def _problems_of_run_dir(variable: str, run_dir: str) -> Iterator[str]:
    if not run_dir.startswith("/"):
        yield f"{variable} must be an absolute path, not {run_dir!r}"
    elif len(f"{run_dir}/{ADMIN_SOCKET}".encode()) > _MAX_SOCKET_PATH:
        yield f"{variable} is too long to hold a socket: a socket path has at most {_MAX_SOCKET_PATH} bytes"


def _problems_of_origins(variable: str, listed: str) -> Iterator[str]:
    origins = _list(listed)
    if origins != ("*",):
        for origin in origins:
            if not _ORIGIN.fullmatch(origin):
                yield (
                    f"{variable} must be * alone or a list of origins such as http://localhost:8081, "
                    f"which {origin!r} is not"
                )


def _list(listed: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in listed.split(",") if part.strip())


@dataclass(frozen=True, kw_only=True)
class ListenerSettings:
    """Where the front door is, and what stands behind it."""

    host: str = setting("FLUX_FRONT_HOST", "IP address to listen on", "127.0.0.1", _problems_of_host)
    port: str = setting("FLUX_FRONT_PORT", "the TCP port to listen on", check=_problems_of_port)
    gateways: str = setting(
        "FLUX_GATEWAY_TARGET",
        "the address of the gateway, unix:/path/to/socket or host:port; of several gateways, with commas between",
        check=_problems_of_gateways,
    )
    gateway_host: str = setting(
        "FLUX_GATEWAY_HOST",
        f"`{ENVOY}` if the gateway is to run inside this Envoy, by its own settings beside these; `{PROCESS}` if it is"
        " a process of its own",
        PROCESS,
        _problems_of_host_of_gateway,
    )
    run_dir: str = setting(
        "FLUX_RUN_DIR",
        "the folder for the configuration, the admin socket and the access log",
        check=_problems_of_run_dir,
    )


def _problems_of_metrics(variable: str, address: str) -> Iterator[str]:
    host, _, port = address.rpartition(":")
    if address and (not _is_port(port) or any(_problems_of_host(variable, host.strip("[]")))):
        yield f"{variable} must be host:port with an IP address, such as 127.0.0.1:9465, not {address!r}"


@dataclass(frozen=True, kw_only=True)
class MetricsSettings:
    """Where Envoy's own metrics are."""

    listen: str = setting(
        "FLUX_FRONT_METRICS_LISTEN",
        "host:port to serve Envoy's own Prometheus metrics on; without it, none",
        "",
        _problems_of_metrics,
    )


def _problems_of_share(variable: str, share: float) -> Iterator[str]:
    if not 0 <= share <= 1:
        yield f"{variable} must be a number from 0 to 1, not {share}"


@dataclass(frozen=True, kw_only=True)
class EnvoyTraceSettings(TraceSettings):
    """Which requests are traced."""

    share: float = setting(
        "OTEL_TRACES_SAMPLER_ARG", "share of the requests that are traced, 0 to 1", 1.0, _problems_of_share
    )


@dataclass(frozen=True, kw_only=True)
class PageSettings:
    """Which pages may call."""

    origins: str = setting(
        "FLUX_CORS_ORIGINS",
        "origins of pages that may call, with commas between; none by default",
        "",
        _problems_of_origins,
    )


@dataclass(frozen=True, kw_only=True)
class DevelopmentSettings:
    """What a local run adds for an app that sends no token."""

    token: str = setting("FLUX_DEVELOPMENT_TOKEN", "access token of requests that come without one", "")


@dataclass(frozen=True, kw_only=True)
class LoadSettings:
    """How much the gateways behind a front door can take."""

    max_calls: int = setting(
        "FLUX_MAX_CALLS", "how many calls may be under way; more are refused", Limits.calls, at_least_one
    )


@dataclass(frozen=True, kw_only=True)
class DrainSettings:
    """Which front door is to end what it has begun, and how."""

    run_dir: str = setting("FLUX_RUN_DIR", "the folder with its admin socket", check=_problems_of_run_dir)
    lame_duck_seconds: float = lame_duck_setting()
    grace_seconds: float = grace_setting()


# Everything that the front door reads.
SETTINGS = (
    IdentitySettings,
    DevelopmentSettings,
    RateLimits,
    TlsSettings,
    PeerSettings,
    LoadSettings,
    PageSettings,
    ListenerSettings,
    LogSettings,
    MetricsSettings,
    EnvoyTraceSettings,
)


@dataclass(frozen=True)
class FrontDoor:
    """Where the front door listens, whom it speaks for, and what stands behind it."""

    host: str
    port: int
    gateways: tuple[str, ...]  # its replicas: each unix:/path, or each host:port
    run_dir: Path
    identity: IdentitySettings
    hosts_gateway: bool = False
    development_token: str = ""
    cors_origins: tuple[str, ...] = ()  # ("*",) is any
    rates: RateLimits = field(default_factory=RateLimits)
    tls: TlsSettings = field(default_factory=TlsSettings)
    peers: PeerSettings = field(default_factory=PeerSettings)
    limits: Limits = field(default_factory=Limits)
    logs: LogSettings = field(default_factory=LogSettings)
    metrics: MetricsSettings = field(default_factory=MetricsSettings)
    traces: EnvoyTraceSettings = field(default_factory=EnvoyTraceSettings)

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Self:
        """Reads the FLUX_… variables. Raises SettingsError that names every problem."""
        problems: list[str] = []
        identity = _read(IdentitySettings, environ, problems)
        development = _read(DevelopmentSettings, environ, problems)
        rates = _read(RateLimits, environ, problems)
        tls = _read(TlsSettings, environ, problems)
        peers = _read(PeerSettings, environ, problems)
        load = _read(LoadSettings, environ, problems)
        pages = _read(PageSettings, environ, problems)
        listener = _read(ListenerSettings, environ, problems)
        logs = _read(LogSettings, environ, problems)
        metrics = _read(MetricsSettings, environ, problems)
        traces = _read(EnvoyTraceSettings, environ, problems)
        if identity and development and pages and not identity.is_local:
            problems += _problems_of_a_deployment(development.token, pages.origins)
        if listener and traces and listener.gateway_host == ENVOY and traces.collector:
            problems.append(
                f"FLUX_GATEWAY_HOST must be {PROCESS} where OTEL_EXPORTER_OTLP_ENDPOINT is set: Envoy tells a gateway"
                " inside it of no trace"
            )
        if listener and peers:
            problems += problems_of(peers, _list(listener.gateways)[0])
        if problems or not (
            (identity and development and rates and tls and peers)
            and (load and pages and listener and logs and metrics and traces)
        ):
            raise SettingsError(problems)
        return cls(
            listener.host,
            int(listener.port),
            _list(listener.gateways),
            Path(listener.run_dir),
            identity,
            listener.gateway_host == ENVOY,
            development.token,
            _list(pages.origins),
            rates,
            tls,
            peers,
            Limits(calls=load.max_calls),
            logs,
            metrics,
            traces,
        )

    @property
    def logs_json(self) -> bool:
        """Whether everything is written to stdout and stderr, as JSON."""
        return self.logs.log_format == JSON

    @property
    def configuration(self) -> Path:
        """The file that the rendered configuration goes to."""
        return self.run_dir / "envoy.yaml"

    @property
    def admin_socket(self) -> Path:
        """The unix socket of Envoy's admin interface."""
        return self.run_dir / ADMIN_SOCKET

    @property
    def shared_secret_keys(self) -> Path:
        """The file that Envoy reads a shared secret from."""
        return self.run_dir / "shared_secret.json"

    @property
    def openapi(self) -> Path:
        """The file that `GET /openapi.json` answers with."""
        return self.run_dir / "openapi.json"

    @property
    def console(self) -> Path:
        """The file that `GET /console` answers with."""
        return self.run_dir / "console.html"

    @property
    def console_worker(self) -> Path:
        """The file that `GET /console/worker.js` answers with."""
        return self.run_dir / "console_worker.js"

    @property
    def access_log(self) -> Path:
        """The file that gets one JSON line per request."""
        return self.run_dir / "access.log"


def _read[T](shape: type[T], environ: Mapping[str, str], problems: list[str]) -> T | None:
    try:
        return read(shape, environ)
    except SettingsError as error:
        problems += error.problems
        return None


def _problems_of_a_deployment(development_token: str, origins: str) -> Iterator[str]:
    if development_token:
        yield "FLUX_DEVELOPMENT_TOKEN is for local runs: here every request brings a token of its own"
    if _list(origins) == ("*",):
        yield "FLUX_CORS_ORIGINS may be * in local runs alone; list the origins of the pages that may call"

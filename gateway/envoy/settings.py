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
from shared.rpc.peers import problems_of
from shared.settings import PeerSettings, SettingsError, at_least_one, read, setting

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


def _problems_of_run_dir(variable: str, run_dir: str) -> Iterator[str]:
    if not run_dir.startswith("/"):
        yield f"{variable} must be an absolute path, not {run_dir!r}"
    elif len(f"{run_dir}/admin.sock".encode()) > _MAX_SOCKET_PATH:
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
    run_dir: str = setting(
        "FLUX_RUN_DIR",
        "the folder for the configuration, the admin socket and the access log",
        check=_problems_of_run_dir,
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
)


@dataclass(frozen=True)
class FrontDoor:
    """Where the front door listens, whom it speaks for, and what stands behind it."""

    host: str
    port: int
    gateways: tuple[str, ...]  # its replicas: each unix:/path, or each host:port
    run_dir: Path
    identity: IdentitySettings
    development_token: str = ""
    cors_origins: tuple[str, ...] = ()  # ("*",) is any
    rates: RateLimits = field(default_factory=RateLimits)
    tls: TlsSettings = field(default_factory=TlsSettings)
    peers: PeerSettings = field(default_factory=PeerSettings)
    limits: Limits = field(default_factory=Limits)

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
        if identity and development and pages and not identity.is_local:
            problems += _problems_of_a_deployment(development.token, pages.origins)
        if listener and peers:
            problems += problems_of(peers, _list(listener.gateways)[0])
        if problems or not (identity and development and rates and tls and peers and load and pages and listener):
            raise SettingsError(problems)
        return cls(
            listener.host,
            int(listener.port),
            _list(listener.gateways),
            Path(listener.run_dir),
            identity,
            development.token,
            _list(pages.origins),
            rates,
            tls,
            peers,
            Limits(calls=load.max_calls),
        )

    @property
    def configuration(self) -> Path:
        """The file that the rendered configuration goes to."""
        return self.run_dir / "envoy.yaml"

    @property
    def admin_socket(self) -> Path:
        """The unix socket of Envoy's admin interface."""
        return self.run_dir / "admin.sock"

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

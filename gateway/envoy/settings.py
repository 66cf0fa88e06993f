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
from shared.settings import SettingsError, read, setting

_MAX_SOCKET_PATH = 107  # the kernel's limit, in bytes
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\]")
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[^\s/?#@,]+")


@dataclass(frozen=True, kw_only=True)
class DevelopmentSettings:
    """What a local run adds for an app that sends no token."""

    token: str = setting("FLUX_DEVELOPMENT_TOKEN", "access token of requests that come without one", "")


@dataclass(frozen=True, kw_only=True)
class LoadSettings:
    """How much the gateways behind a front door can take."""

    max_calls: int = setting("FLUX_MAX_CALLS", "how many calls may be under way; more are refused", Limits.calls)


@dataclass(frozen=True)
class FrontDoor:
    """Where the front door listens, whom it speaks for, and what stands behind it."""

    host: str
    port: int
    gateway: str  # unix:/path, or host:port
    run_dir: Path
    identity: IdentitySettings
    development_token: str = ""
    cors_origins: tuple[str, ...] = ()  # ("*",) is any
    rates: RateLimits = field(default_factory=RateLimits)
    tls: TlsSettings = field(default_factory=TlsSettings)
    limits: Limits = field(default_factory=Limits)

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Self:
        """Reads the FLUX_… variables. Raises SettingsError that names every problem."""
        host = environ.get("FLUX_FRONT_HOST", "127.0.0.1")
        port = environ.get("FLUX_FRONT_PORT")
        gateway = environ.get("FLUX_GATEWAY_TARGET")
        run_dir = environ.get("FLUX_RUN_DIR")
        origins = tuple(part.strip() for part in environ.get("FLUX_CORS_ORIGINS", "").split(",") if part.strip())
        problems: list[str] = []
        identity = _read(IdentitySettings, environ, problems)
        development = _read(DevelopmentSettings, environ, problems)
        rates = _read(RateLimits, environ, problems)
        tls = _read(TlsSettings, environ, problems)
        load = _read(LoadSettings, environ, problems)
        problems += [
            *_problems_of_host(host),
            *_problems_of_port(port),
            *_problems_of_gateway(gateway),
            *_problems_of_run_dir(run_dir),
            *_problems_of_origins(origins),
        ]
        if identity is not None and development is not None and not identity.is_local:
            problems += _problems_of_a_deployment(development.token, origins)
        if problems or not (identity and development and rates and tls and load and port and gateway and run_dir):
            raise SettingsError(problems)
        limits = Limits(calls=load.max_calls)
        return cls(host, int(port), gateway, Path(run_dir), identity, development.token, origins, rates, tls, limits)

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
    def access_log(self) -> Path:
        """The file that gets one JSON line per request."""
        return self.run_dir / "access.log"


def _read[T](shape: type[T], environ: Mapping[str, str], problems: list[str]) -> T | None:
    try:
        return read(shape, environ)
    except SettingsError as error:
        problems += error.problems
        return None


def _problems_of_a_deployment(development_token: str, origins: tuple[str, ...]) -> Iterator[str]:
    if development_token:
        yield "FLUX_DEVELOPMENT_TOKEN is for local runs: here every request brings a token of its own"
    if origins == ("*",):
        yield "FLUX_CORS_ORIGINS may be * in local runs alone; list the origins of the pages that may call"


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
    if origins != ("*",):
        for origin in origins:
            if not _ORIGIN.fullmatch(origin):
                yield (
                    "FLUX_CORS_ORIGINS must be * alone or a list of origins such as http://localhost:8081, "
                    f"which {origin!r} is not"
                )

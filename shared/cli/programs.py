"""The programs of a stack on one machine: what to run, and in which environment."""

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from shared.local_identity import LocalIdentity
from shared.settings import LOCAL_ISSUER
from shared.supervisor import Program
from shared.walls import SCHEMAS

# Per minute. Here everybody who brings no token is one athlete, at one address; the environment may say otherwise.
GENEROUS_RATES = {"FLUX_RATE_LIMIT_ATHLETE": "1000000", "FLUX_RATE_LIMIT_ADDRESS": "1000000"}


@dataclass(frozen=True)
class Database:
    """A database that was prepared: URLs for who migrates it, and for the service of each schema."""

    migration_url: str
    runtime_url: Callable[[str], str]


@dataclass(frozen=True)
class Programs:
    """The programs that keep their files in `data_dir` and meet at the sockets in `sockets`.

    They believe the `identity` of a local run, whose athlete needs no token; without one, whom the environment names.
    """

    data_dir: Path
    sockets: Path
    identity: LocalIdentity | None

    def target(self, service: str) -> str:
        """Where a service listens."""
        return f"unix:{self.sockets / service}"

    def service(self, service: str, database: Database, metrics: str | None = None) -> Program:
        """A service that brings its schema up to date and then serves, and tells metrics at an address, if any."""
        environment = self.environment() | {
            "FLUX_MIGRATION_DATABASE_URL": database.migration_url,
            "FLUX_DATABASE_URL": database.runtime_url(SCHEMAS[service]),
            "FLUX_LISTEN": self.target(service),
            "FLUX_LAME_DUCK_SECONDS": "0",  # the front door is closed before the services are
            "FLUX_READINESS_TARGET": self.target("readiness_svc"),
            "FLUX_DEBT_TARGET": self.target("debt_svc"),
            "FLUX_CONDITIONING_TARGET": self.target("conditioning_svc"),
            **self._believed(),
        }
        if metrics is not None:
            environment["FLUX_METRICS_LISTEN"] = metrics
        return Program(service, (sys.executable, "-m", service, "migrate", "serve"), environment)

    def front_door(self, host: str, port: int, metrics: str | None = None) -> Program:
        """Envoy, which tells metrics at an address, if any."""
        environment = {
            **self.environment(),
            "FLUX_FRONT_HOST": host,
            "FLUX_FRONT_PORT": str(port),
            "FLUX_GATEWAY_TARGET": self.target("gateway"),
            "FLUX_RUN_DIR": str(self.sockets),
            **self._believed(),
        }
        if self.identity is not None:
            environment = {**GENEROUS_RATES, **environment, "FLUX_CORS_ORIGINS": "*"}
            environment["FLUX_DEVELOPMENT_TOKEN_FILE"] = str(self.identity.development_token)
        if metrics is not None:
            environment["FLUX_FRONT_METRICS_LISTEN"] = metrics
        return Program("envoy", (sys.executable, "-m", "gateway.envoy"), environment)

    def front_door_with_gateway(
        self, host: str, port: int, database: Database, gateway_metrics: str | None, metrics: str | None
    ) -> Program:
        """Envoy with the gateway inside, which brings its schema up to date before."""
        gateway, envoy = self.service("gateway", database, gateway_metrics), self.front_door(host, port, metrics)
        environment = {**gateway.environment, **envoy.environment, "FLUX_GATEWAY_HOST": "envoy"}
        return Program(envoy.name, envoy.command, environment)

    def environment(self) -> dict[str, str]:
        """Our environment without what belongs to one part alone, or to another issuer.

        Compiled modules are kept where Python keeps them, for every data directory: compiling takes a part seconds.
        """
        foreign: tuple[str, ...] = (
            "PYTHONDONTWRITEBYTECODE",
            "FLUX_DEVELOPMENT_",
            "FLUX_METRICS_",
            "FLUX_FRONT_METRICS_",
            "FLUX_PEER_",
            "FLUX_TLS_",
        )
        if self.identity is not None:
            foreign += ("FLUX_AUTH_",)
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
        return inherited | {"PYTHONUNBUFFERED": "1"}

    def _believed(self) -> dict[str, str]:
        """Whose access tokens are believed, as far as the environment does not say so."""
        if self.identity is None:
            return {}
        return {"FLUX_AUTH_ISSUER": LOCAL_ISSUER, "FLUX_AUTH_JWKS": str(self.identity.jwks)}

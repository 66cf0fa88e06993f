"""Decides what the front door lets in: the public calls, how long each may take, and by whose keys.

Routes, the transcoder's services and the text of a 404 come from the descriptor set, the contract itself.
"""

import base64
import json
import re
import ssl
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.rpc import code_pb2
from jinja2 import Environment, StrictUndefined

from gateway import console
from gateway.envoy.calls import public_calls
from gateway.envoy.refusals import COMPRESSED, ERROR_DOMAIN, UNSUPPORTED_CONTENT_TYPE, refusals
from gateway.envoy.settings import FrontDoor
from gateway.identity.settings import AUDIENCE, LEEWAY_SECONDS
from gateway.public import PUBLIC_SERVICES
from shared import embedded_python
from shared.rpc.peers import GATEWAY
from shared.settings import SettingsError

INSIDE = "gateway.inside:application"
HEALTH_SERVICE = "flux.session.v1.SessionService"
MAX_DOCUMENT_BYTES = 4 * 1024 * 1024
TRUST_STORES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt")


@dataclass(frozen=True)
class Endpoint:
    """Where a gateway listens: a socket, or a host and port."""

    socket: str | None
    host: str
    port: str

    @classmethod
    def of(cls, target: str) -> Self:
        """Of unix:/path or host:port."""
        if target.startswith("unix:"):
            return cls(target.removeprefix("unix:"), "", "")
        host, _, port = target.rpartition(":")
        return cls(None, host.strip("[]"), port)


@dataclass(frozen=True)
class Server:
    """What Envoy itself calls: where the issuer's public keys are, and the collector of traces."""

    url: str
    host: str
    port: int
    trust_store: str | None  # the certificates to believe its own by; None: it is on this machine, in plain

    @classmethod
    def of(cls, url: str) -> Self:
        """The server of a URL. Raises SettingsError if this system has no certificates to trust."""
        parts = urlsplit(url)
        if parts.scheme != "https":
            return cls(url, parts.hostname or "", parts.port or 80, None)
        store = ssl.get_default_verify_paths().cafile or next(
            (path for path in TRUST_STORES if Path(path).is_file()), None
        )
        if store is None:
            raise SettingsError(["SSL_CERT_FILE is not set, and this system keeps no certificates where it is usual"])
        return cls(url, parts.hostname or "", parts.port or 443, store)


def shared_secret_keys(secret: str) -> str:
    """A shared secret in the form that Envoy takes keys in."""
    key = base64.urlsafe_b64encode(secret.encode()).decode().rstrip("=")
    return json.dumps({"keys": [{"kty": "oct", "alg": "HS256", "k": key}]})


def render(front_door: FrontDoor, descriptors: FileDescriptorSet, descriptor_path: Path) -> str:
    """Envoy's whole configuration as YAML. `descriptor_path` is where Envoy will read `descriptors` from."""
    # It writes YAML, not HTML: every value goes through `tojson`, which YAML reads as a quoted string.
    environment = Environment(undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)  # noqa: S701
    template = environment.from_string(resources.files(__package__).joinpath("front_door.yaml.j2").read_text("utf-8"))
    calls = public_calls(descriptors)
    jwks = front_door.identity.jwks
    return template.render(
        door=front_door,
        gateways=[Endpoint.of(gateway) for gateway in front_door.gateways],
        gateway_role=GATEWAY,
        python_module=embedded_python.module() if front_door.hosts_gateway else None,
        python_application=json.dumps({"app": INSIDE, "interface": "asgi", "root_path": "", "lifespan": True}),
        collector=Server.of(front_door.traces.collector) if front_door.traces.collector else None,
        metrics=Endpoint.of(front_door.metrics.listen) if front_door.metrics.listen else None,
        descriptor_path=descriptor_path,
        services=PUBLIC_SERVICES,
        health_service=HEALTH_SERVICE,
        calls=calls,
        call_paths="|".join(re.escape(call.path) for call in calls),
        limits=front_door.limits,
        refusals=refusals([endpoint for call in calls for endpoint in call.http], front_door.limits),
        compressed=COMPRESSED,
        unsupported_content_type=UNSUPPORTED_CONTENT_TYPE,
        answered_codes=sorted(set(code_pb2.Code.values()) - {code_pb2.RESOURCE_EXHAUSTED}),
        error_domain=ERROR_DOMAIN,
        max_document_bytes=MAX_DOCUMENT_BYTES,
        console_policy=console.content_security_policy(console.page()),
        worker_policy=console.WORKER_CONTENT_SECURITY_POLICY,
        audience=AUDIENCE,
        leeway_seconds=LEEWAY_SECONDS,
        jwks_file=front_door.shared_secret_keys if front_door.identity.legacy_secret else jwks,
        jwks_server=None if not jwks or jwks.startswith("/") else Server.of(jwks),
    )

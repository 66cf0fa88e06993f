"""Decides what the front door lets in: the public calls, how long each may take, and by whose keys.

Routes, the transcoder's services and the text of a 404 come from the descriptor set, the contract itself.
"""

import base64
import json
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from google.api import annotations_pb2  # parsed options hold google.api.http only once this is imported
from google.protobuf.descriptor_pb2 import FileDescriptorSet, MethodDescriptorProto, MethodOptions
from jinja2 import Environment, StrictUndefined

from gateway import console
from gateway.caller import PUBLIC_SERVICES
from gateway.envoy.refusals import COMPRESSED, ERROR_DOMAIN, UNSUPPORTED_CONTENT_TYPE, refusals
from gateway.envoy.settings import FrontDoor
from gateway.identity.tokens import AUDIENCE, LEEWAY_SECONDS
from shared.rpc.peers import GATEWAY
from shared.settings import SettingsError

HEALTH_SERVICE = "flux.session.v1.SessionService"
MAX_DOCUMENT_BYTES = 4 * 1024 * 1024
TRUST_STORES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt")


@dataclass(frozen=True)
class Call:
    """One public RPC. A read changes nothing, so it may be tried again after it has reached the gateway."""

    path: str
    is_read: bool
    http: tuple[str, ...]  # such as "GET /user/state"


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
class KeyServer:
    """Where Envoy fetches the issuer's public keys."""

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
        descriptor_path=descriptor_path,
        services=PUBLIC_SERVICES,
        health_service=HEALTH_SERVICE,
        calls=calls,
        limits=front_door.limits,
        refusals=refusals([endpoint for call in calls for endpoint in call.http], front_door.limits),
        compressed=COMPRESSED,
        unsupported_content_type=UNSUPPORTED_CONTENT_TYPE,
        error_domain=ERROR_DOMAIN,
        max_document_bytes=MAX_DOCUMENT_BYTES,
        console_policy=console.content_security_policy(console.page()),
        worker_policy=console.WORKER_CONTENT_SECURITY_POLICY,
        audience=AUDIENCE,
        leeway_seconds=LEEWAY_SECONDS,
        jwks_file=front_door.shared_secret_keys if front_door.identity.legacy_secret else jwks,
        jwks_server=None if not jwks or jwks.startswith("/") else KeyServer.of(jwks),
    )


def _http_endpoints(method: MethodDescriptorProto) -> Iterator[str]:
    rule = method.options.Extensions[annotations_pb2.http]
    for binding in (rule, *rule.additional_bindings):
        pattern = binding.WhichOneof("pattern")
        if pattern == "custom":
            yield f"{binding.custom.kind} {binding.custom.path}"
        elif pattern is not None:
            yield f"{pattern.upper()} {getattr(binding, pattern)}"

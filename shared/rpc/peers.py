"""Which part of FLUX calls which: certificates that name roles, and who may call what.

What comes from a network comes encrypted, both sides prove their roles by certificates of one authority, and only roles
that are named may call. A Unix socket is guarded by the file system instead, and nothing of this applies.
"""

import ssl
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import grpc
from grpc_health.v1 import health

from shared.errors import Code, FluxError
from shared.settings import PeerSettings, SettingsError

GATEWAY = "gateway"
ENVOY = "envoy"
OPERATOR = "operator"

_VARIABLES = "FLUX_PEER_CERT, FLUX_PEER_KEY and FLUX_PEER_CA"
# Whoever has a certificate at all may ask whether a part is well: replicas and front doors are chosen by the answer.
_HEALTH = f"/{health.SERVICE_NAME}/"
_PEER_NAMES = "peer_dns"  # as gRPC calls the DNS names in a verified certificate

type Option = tuple[str, str | int]


class CallerNotAllowed(FluxError):
    """The part that calls has a certificate, but not of a role that may call this."""

    code = Code.PERMISSION_DENIED
    reason = "CALLER_NOT_ALLOWED"


@dataclass(frozen=True)
class AllowList:
    """Which role may call each gRPC service; what is not named may be called by nobody."""

    role_by_service: Mapping[str, str]

    def check(self, method: str, auth_context: Mapping[str, Any]) -> None:
        """Raises CallerNotAllowed unless the verified certificate of a call names the role for `method`."""
        if method.startswith(_HEALTH):
            return
        role = self.role_by_service.get(method.split("/")[1])
        if role is None or role.encode() not in auth_context.get(_PEER_NAMES, ()):
            raise CallerNotAllowed(
                "the certificate of this connection does not name the role that may call this method"
            )


@dataclass(frozen=True)
class Certificate:
    """What a part proves its role by, and the authority whose certificates it believes, all as PEM."""

    certificate: bytes
    key: bytes
    authority: bytes

    @classmethod
    def of(cls, settings: PeerSettings, address: str) -> Self | None:
        """What is needed to listen or call at an address: None on a Unix socket. Raises SettingsError."""
        problems = list(problems_of(settings, address))
        if problems:
            raise SettingsError(problems)
        if is_local(address):
            return None
        paths = (settings.peer_certificate, settings.peer_key, settings.peer_authority)
        return cls(*(Path(path).read_bytes() for path in paths))

    @property
    def role(self) -> str:
        """The role that it names."""
        from cryptography import x509  # noqa: PLC0415 - 8 MB, which parts on one machine have no use for

        names = x509.load_pem_x509_certificate(self.certificate).extensions.get_extension_for_class(
            x509.SubjectAlternativeName
        )
        return names.value.get_values_for_type(x509.DNSName)[0]

    def for_server(self) -> grpc.ServerCredentials:
        """Takes connections of nobody without a certificate of the authority."""
        return grpc.ssl_server_credentials([(self.key, self.certificate)], self.authority, require_client_auth=True)

    def for_channel(self) -> grpc.ChannelCredentials:
        """Shows the certificate, and believes the authority alone."""
        return grpc.ssl_channel_credentials(self.authority, self.key, self.certificate)


def is_local(address: str) -> bool:
    """Whether an address is a Unix socket, which only this machine can reach."""
    return address.startswith("unix:")


def problems_of(settings: PeerSettings, address: str) -> Iterator[str]:
    """Why an address cannot be listened on, or called, with these settings."""
    paths = (settings.peer_certificate, settings.peer_key, settings.peer_authority)
    if all(paths):
        yield from problems_of_pair(settings.peer_certificate, settings.peer_key, "FLUX_PEER_CERT", "FLUX_PEER_KEY")
        yield from _problems_of_authority(settings.peer_authority)
    elif any(paths):
        yield f"{_VARIABLES} are set together or not at all"
    elif not is_local(address):
        yield (
            f"{address!r} is on a network, where parts of FLUX believe nobody without a certificate: set {_VARIABLES}, "
            "which `flux keys` makes; on one machine, unix:/path needs none"
        )


def check(settings: PeerSettings, *addresses: str) -> None:
    """Returns if all addresses can be listened on and called with these settings. Raises SettingsError."""
    problems = dict.fromkeys(problem for address in addresses for problem in problems_of(settings, address))
    if problems:
        raise SettingsError(list(problems))


def problems_of_pair(certificate: str, key: str, certificate_variable: str, key_variable: str) -> Iterator[str]:
    """Why two files are not a certificate and its key; gRPC and Envoy would say less."""
    both = f"{certificate_variable} and {key_variable}"
    try:
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(certificate, key, lambda: "")
    except ssl.SSLError:  # an OSError, too, whose words would help nobody
        yield f"{both} must be PEM files of a certificate and of its key, not encrypted"
    except OSError as error:
        yield f"{both} cannot be read: {error.strerror}"


def _problems_of_authority(path: str) -> Iterator[str]:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
    except ssl.SSLError:
        yield "FLUX_PEER_CA must be a PEM file of the authority's certificate"
    except OSError as error:
        yield f"FLUX_PEER_CA cannot be read: {error.strerror}"


def channel(target: str, role: str | None, settings: PeerSettings) -> grpc.Channel:
    """A channel to whoever has a role; None: the role of our own certificate. Raises SettingsError."""
    shown = Certificate.of(settings, target)
    if shown is None:
        return grpc.insecure_channel(target)
    return grpc.secure_channel(target, shown.for_channel(), options=_only(role or shown.role))


def aio_channel(target: str, role: str, settings: PeerSettings, options: Iterable[Option]) -> grpc.aio.Channel:
    """An asyncio channel to whoever has a role. Raises SettingsError."""
    shown = Certificate.of(settings, target)
    if shown is None:
        return grpc.aio.insecure_channel(target, options=tuple(options))
    return grpc.aio.secure_channel(target, shown.for_channel(), options=(*options, *_only(role)))


def _only(role: str) -> tuple[Option, ...]:
    """Believes a server whose certificate names the role, whatever host it runs on."""
    return (("grpc.ssl_target_name_override", role),)

"""Whose access tokens are believed: the issuer, and the one kind of key that it signs with."""

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from shared.local_identity import LOCAL_ISSUER
from shared.settings import SettingsError, setting

# As many bytes as the hash of HS256 has; a shorter secret can be guessed from one token.
SHORTEST_SECRET = 32


@dataclass(frozen=True, kw_only=True)
class IdentitySettings:
    """The issuer and its keys. Raises SettingsError unless there is exactly one source of keys, and a usable one."""

    issuer: str = setting("FLUX_AUTH_ISSUER", "issuer of access tokens, such as https://PROJECT.supabase.co/auth/v1")
    jwks: str = setting("FLUX_AUTH_JWKS", "where the issuer's public keys are: an https URL, or a file's path", "")
    legacy_secret: str = setting("FLUX_AUTH_LEGACY_SECRET", "the secret of an issuer that signs with HS256", "")

    def __post_init__(self) -> None:
        """Refuses settings that contradict each other."""
        problems = list(self._problems())
        if problems:
            raise SettingsError(problems)

    @property
    def is_local(self) -> bool:
        """Whether the tokens are those of a local run, made by a key of its own."""
        return self.issuer == LOCAL_ISSUER

    def _problems(self) -> Iterator[str]:
        if bool(self.jwks) == bool(self.legacy_secret):
            yield (
                "exactly one of FLUX_AUTH_JWKS (public keys) and FLUX_AUTH_LEGACY_SECRET (a shared secret) must be set"
            )
        if self.jwks and not _is_file(self.jwks) and not _is_safe_url(self.jwks):
            yield f"FLUX_AUTH_JWKS must be an https URL or the absolute path of a file, not {self.jwks!r}"
        if self.legacy_secret and len(self.legacy_secret.encode()) < SHORTEST_SECRET:
            yield f"FLUX_AUTH_LEGACY_SECRET must have at least {SHORTEST_SECRET} bytes"
        if self.is_local and not _is_file(self.jwks):
            yield f"FLUX_AUTH_ISSUER: {LOCAL_ISSUER!r} is the issuer of a local run, whose keys are in a file"


def _is_file(source: str) -> bool:
    return source.startswith("/")


def _is_safe_url(source: str) -> bool:
    """Keys come encrypted, or from this very machine."""
    try:
        url = urlsplit(source)
        host = url.hostname or ""
        bare = url.port != 0 and bool(host) and url.username is None and not url.fragment
    except ValueError:
        return False
    return bare and (url.scheme == "https" or (url.scheme == "http" and _is_loopback(host)))


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False

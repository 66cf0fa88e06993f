"""Whose access tokens are believed: the issuer, and the one kind of key that it signs with."""

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from shared.settings import LOCAL_ISSUER, SettingsError, setting

# What tokens are for, and how far the clock of their issuer may be off.
AUDIENCE = "authenticated"
LEEWAY_SECONDS = 30
# As many bytes as the hash of HS256 has; a shorter secret can be guessed from one token.
SHORTEST_SECRET = 32


def _problems_of_keys(variable: str, source: str) -> Iterator[str]:
    if source and not _is_file(source) and not _is_safe_url(source):
        yield f"{variable} must be an https URL or the absolute path of a file, not {source!r}"


def _problems_of_secret(variable: str, secret: str) -> Iterator[str]:
    if secret and len(secret.encode()) < SHORTEST_SECRET:
        yield f"{variable} must have at least {SHORTEST_SECRET} bytes"


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


@dataclass(frozen=True, kw_only=True)
class IdentitySettings:
    """The issuer and its keys. Raises SettingsError unless there is exactly one source of keys, and a usable one."""

    issuer: str = setting("FLUX_AUTH_ISSUER", "issuer of access tokens, such as https://PROJECT.supabase.co/auth/v1")
    jwks: str = setting(
        "FLUX_AUTH_JWKS", "where the issuer's public keys are: an https URL, or a file's path", "", _problems_of_keys
    )
    legacy_secret: str = setting(
        "FLUX_AUTH_LEGACY_SECRET", "the secret of an issuer that signs with HS256", "", _problems_of_secret
    )

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
        yield from _problems_of_keys("FLUX_AUTH_JWKS", self.jwks)
        yield from _problems_of_secret("FLUX_AUTH_LEGACY_SECRET", self.legacy_secret)
        if self.is_local and not _is_file(self.jwks):
            yield f"FLUX_AUTH_ISSUER: {LOCAL_ISSUER!r} is the issuer of a local run, whose keys are in a file"

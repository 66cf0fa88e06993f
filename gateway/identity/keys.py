"""The public keys that access tokens are verified with: fetched, kept, and fetched again when they change."""

import asyncio
import json
import logging
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any, override

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from shared.errors import DependencyUnavailable

ALGORITHMS = ("ES256", "RS256")
MAX_AGE_SECONDS = 600.0
# Whoever sends tokens with made-up key ids causes no more fetches than this.
RETRY_SECONDS = 30.0
FETCH_TIMEOUT_SECONDS = 3.0
MAX_BYTES = 64 * 1024
SHORTEST_RSA_BITS = 2048

type Source = Callable[[], bytes]

_log = logging.getLogger(__name__)


class Keyring:
    """The keys of one issuer, by key id."""

    def __init__(self, source: Source, monotonic: Callable[[], float]) -> None:
        self._source = source
        self._monotonic = monotonic
        self._keys: dict[str, jwt.PyJWK] = {}
        self._document = b""
        self._tried_at: float | None = None
        self._fetching = asyncio.Lock()

    @property
    def version(self) -> bytes:
        """Changes whenever the keys do."""
        return self._document

    async def refresh(self) -> None:
        """Fetches the keys if there are none or they are old. Called every second.

        Goes on with the keys that are known if they cannot be fetched. Raises DependencyUnavailable if none are known.
        """
        await self._fetch_after(MAX_AGE_SECONDS if self._keys else 1.0)
        self._check_known()

    async def find(self, key_id: str) -> jwt.PyJWK | None:
        """The key of this id, which may be a new one. Raises DependencyUnavailable if no keys are known."""
        if key_id not in self._keys:
            await self._fetch_after(RETRY_SECONDS)
            self._check_known()
        return self._keys.get(key_id)

    def _check_known(self) -> None:
        if not self._keys:
            raise DependencyUnavailable(
                "the keys that access tokens are verified with cannot be had; retry in a moment"
            )

    async def _fetch_after(self, seconds: float) -> None:
        """Fetches the keys unless that was tried within so many seconds. Whoever comes meanwhile waits for it."""
        async with self._fetching:
            if self._tried_at is not None and self._monotonic() - self._tried_at < seconds:
                return
            self._tried_at = self._monotonic()
            try:
                document = await asyncio.to_thread(self._source)
                keys = read_keys(document)
            except (OSError, ValueError) as error:
                _log.error("the keys of access tokens cannot be read: %s", error)
                return
            if document != self._document:
                self._keys, self._document = keys, document
                _log.info("access tokens are verified with the keys %s", ", ".join(sorted(keys)))


def read_keys(document: bytes) -> dict[str, jwt.PyJWK]:
    """The usable keys of a JSON Web Key Set: public, named, ES256 or RS256. Raises ValueError if there is none."""
    try:
        found = json.loads(document)["keys"]
        keys = {key["kid"]: jwt.PyJWK(key) for key in found if _may_verify(key)}
    except (KeyError, TypeError, AttributeError, RecursionError, jwt.PyJWTError):
        raise ValueError("this is not a JSON Web Key Set") from None
    usable = {key_id: key for key_id, key in keys.items() if _is_strong(key)}
    if not usable:
        raise ValueError("the key set holds no key with an id for ES256 or RS256")
    return usable


def source_of(jwks: str) -> Source:
    """Where keys are fetched from: a file's path, or a URL. The source raises OSError or ValueError."""
    return Path(jwks).read_bytes if jwks.startswith("/") else lambda: _download(jwks)


def _may_verify(key: dict[str, Any]) -> bool:
    kinds: dict[tuple[Any, Any], str] = {("EC", "P-256"): "ES256", ("RSA", None): "RS256"}
    algorithm = kinds.get((key.get("kty"), key.get("crv")))
    named = isinstance(key.get("kid"), str) and key["kid"] != ""
    return (
        algorithm is not None
        and named
        and "d" not in key
        and key.get("use", "sig") == "sig"
        and (key.get("alg", algorithm) == algorithm)
    )


def _is_strong(key: jwt.PyJWK) -> bool:
    return not isinstance(key.key, RSAPublicKey) or key.key.key_size >= SHORTEST_RSA_BITS


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Keys come from where the settings say, and from nowhere that this place names."""

    @override
    def redirect_request(self, *_: object) -> None:
        return None


def _download(url: str) -> bytes:
    opener = urllib.request.build_opener(_NoRedirect)
    with opener.open(url, timeout=FETCH_TIMEOUT_SECONDS) as answer:
        document: bytes = answer.read(MAX_BYTES + 1)
    if len(document) > MAX_BYTES:
        raise ValueError(f"the key set is larger than {MAX_BYTES // 1024} KiB")
    return document

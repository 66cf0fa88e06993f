"""Decides whether an access token is believed, and which athlete it stands for.

Two kinds of issuers, and never both at once: those that sign with a key pair, and those that share a secret. Each has
a class of its own, so that no header of a token can choose how it is verified.
"""

from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

import jwt

from gateway.identity.keys import ALGORITHMS, Keyring
from gateway.identity.settings import AUDIENCE, LEEWAY_SECONDS
from shared.errors import Code, FluxError, Unauthenticated

ROLE = "authenticated"
LONGEST_TOKEN = 8 * 1024
REQUIRED_CLAIMS = ("exp", "iat", "iss", "aud", "sub", "role")
# By these a token would bring its own key, or ask for rules that nobody here knows.
FORBIDDEN_HEADERS = frozenset({"jku", "jwk", "x5u", "x5c", "x5t", "x5t#S256", "crit", "b64", "zip", "enc"})


class NotAnAthlete(FluxError):
    """The token is genuine, but not that of somebody who signed in."""

    code = Code.PERMISSION_DENIED
    reason = "NOT_AN_ATHLETE"


@dataclass(frozen=True)
class Identity:
    """The athlete that a token stands for, and until when, in seconds since 1970."""

    athlete_id: UUID
    expires: float


class Tokens(Protocol):
    """The tokens of one issuer."""

    @property
    def version(self) -> bytes:
        """Changes whenever a token that was believed need not be believed any more."""
        ...

    async def refresh(self) -> None:
        """Keeps up with the issuer. Raises DependencyUnavailable while no token can be verified."""
        ...

    async def verify(self, token: str) -> Identity:
        """Whom a token stands for. Raises Unauthenticated, NotAnAthlete, DependencyUnavailable."""
        ...


class SignedTokens:
    """Tokens that the issuer signs with a private key, ES256 or RS256."""

    def __init__(self, issuer: str, keyring: Keyring) -> None:
        self._issuer = issuer
        self._keyring = keyring

    @property
    def version(self) -> bytes:
        """The keys."""
        return self._keyring.version

    async def refresh(self) -> None:
        """Keeps the keys fresh. Raises DependencyUnavailable while there are none."""
        await self._keyring.refresh()

    async def verify(self, token: str) -> Identity:
        """Whom a token stands for. Raises Unauthenticated, NotAnAthlete, DependencyUnavailable."""
        header = _header(token)
        key_id = header.get("kid")
        if header["alg"] not in ALGORITHMS or not isinstance(key_id, str):
            raise _refused()
        key = await self._keyring.find(key_id)
        if key is None:
            raise _refused()
        return _identity(token, key, [key.algorithm_name], self._issuer)


class SharedSecretTokens:
    """Tokens of an issuer that still signs with HS256: whoever can verify them can make them, so guard the secret."""

    version = b""

    def __init__(self, issuer: str, secret: str) -> None:
        self._issuer = issuer
        self._secret = secret

    async def refresh(self) -> None:
        """There is nothing to keep up with."""

    async def verify(self, token: str) -> Identity:
        """Whom a token stands for. Raises Unauthenticated, NotAnAthlete."""
        _header(token)
        return _identity(token, self._secret, ["HS256"], self._issuer)


def _header(token: str) -> dict[str, Any]:
    if len(token) > LONGEST_TOKEN:
        raise _refused()
    try:
        header = jwt.get_unverified_header(token)
    except (jwt.PyJWTError, ValueError, RecursionError):
        raise _refused() from None
    if FORBIDDEN_HEADERS & header.keys() or not isinstance(header.get("alg"), str):
        raise _refused()
    return header


def _identity(token: str, key: jwt.PyJWK | str, algorithms: list[str], issuer: str) -> Identity:
    try:
        claims = jwt.decode(
            token,
            key,
            algorithms=algorithms,
            issuer=issuer,
            audience=AUDIENCE,
            leeway=LEEWAY_SECONDS,
            options={"require": list(REQUIRED_CLAIMS), "strict_aud": True},
        )
    except jwt.ExpiredSignatureError:
        raise Unauthenticated("the access token has expired; get a new one") from None
    except jwt.InvalidAudienceError:
        raise _not_an_athlete() from None
    except (jwt.PyJWTError, ValueError, OverflowError, RecursionError):
        raise _refused() from None
    # An anonymous key and a service's key are genuine tokens as well, of nobody.
    if claims["role"] != ROLE:
        raise _not_an_athlete()
    return Identity(_athlete(claims["sub"]), float(claims["exp"]) + LEEWAY_SECONDS)


def _athlete(subject: str) -> UUID:
    try:
        athlete_id = UUID(subject)
    except ValueError:
        raise _not_an_athlete() from None
    if str(athlete_id) != subject.lower():  # one athlete, one spelling
        raise _not_an_athlete()
    return athlete_id


def _refused() -> Unauthenticated:
    return Unauthenticated("the access token is not one that is valid here; sign in again")


def _not_an_athlete() -> NotAnAthlete:
    return NotAnAthlete("the access token is not that of a signed-in athlete; sign in")

"""Who calls. The athlete of a public call is the one that its verified access token stands for, and nobody else.

Knows nothing of what hosts the servicers: metadata in, caller out.
"""

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from gateway.identity.tokens import Identity, Tokens
from gateway.public import PUBLIC_SERVICES
from shared.clock import Clock
from shared.errors import Unauthenticated

# Verifying costs 0.1 ms; a phone sends the same token for an hour.
REMEMBERED = 10_000

_PUBLIC_METHODS = tuple(f"/{service}/" for service in PUBLIC_SERVICES)
_BEARER = re.compile(r"Bearer ([A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+)")

type Metadata = Iterable[tuple[str, str | bytes]]


@dataclass(frozen=True)
class Caller:
    """What a servicer may know of a call."""

    athlete_id: UUID | None
    """None where a call concerns no athlete: those of operators."""


def athlete_of(context: object) -> UUID:
    """The athlete that a call is made for. Raises Unauthenticated, also where a host forgot to identify the caller."""
    if not isinstance(context, Caller) or context.athlete_id is None:
        raise Unauthenticated("the call carries no athlete; call through the front door, signed in")
    return context.athlete_id


class Callers:
    """Identifies who calls, before anything of the request is looked at."""

    def __init__(self, tokens: Tokens, clock: Clock) -> None:
        self._tokens = tokens
        self._clock = clock
        self._known: dict[bytes, Identity] = {}
        self._known_by = tokens.version

    async def identify(self, method: str, metadata: Metadata | None) -> Caller:
        """The caller of a method, `/package.Service/Method`.

        Raises Unauthenticated, NotAnAthlete or DependencyUnavailable for a method that athletes call.
        """
        if not method.startswith(_PUBLIC_METHODS):
            return Caller(None)
        return Caller((await self._identity(_token(metadata or ()))).athlete_id)

    async def _identity(self, token: str) -> Identity:
        if self._tokens.version != self._known_by:  # a key may be gone, and what it signed with it
            self._known.clear()
            self._known_by = self._tokens.version
        digest = hashlib.sha256(token.encode()).digest()
        known = self._known.get(digest)
        if known is not None and self._clock.now().timestamp() < known.expires:
            return known
        identity = await self._tokens.verify(token)
        if len(self._known) >= REMEMBERED:
            self._known.pop(next(iter(self._known)))
        self._known[digest] = identity
        return identity


def _token(metadata: Metadata) -> str:
    named = [value for name, value in metadata if name == "authorization"]
    if not named:
        raise Unauthenticated("an access token is missing; sign in and send it as `Authorization: Bearer …`")
    match = _BEARER.fullmatch(named[0]) if len(named) == 1 and isinstance(named[0], str) else None
    if match is None:
        raise Unauthenticated("there must be one Authorization header, and it must be `Bearer` and an access token")
    return match[1]

"""Who calls. The front door puts the athlete into the metadata, and takes away whatever a client put there itself."""

from collections.abc import Iterable
from typing import Any, Protocol
from uuid import UUID

from shared.errors import Unauthenticated

ATHLETE_HEADER = "x-flux-athlete-id"


class Call(Protocol):
    """What a servicer may know of a call, whatever hosts it."""

    def invocation_metadata(self) -> Any:
        """Pairs of names and values."""
        ...


def athlete_of(call: Call) -> UUID:
    """The athlete that the call is made for. Raises Unauthenticated."""
    metadata: Iterable[tuple[str, str]] = call.invocation_metadata() or ()
    named = [value for name, value in metadata if name == ATHLETE_HEADER]
    try:
        (athlete_id,) = named
        return UUID(athlete_id)
    except ValueError:
        raise Unauthenticated("the call carries no athlete; call through the front door, signed in") from None

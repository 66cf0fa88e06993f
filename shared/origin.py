"""Where the work at hand comes from: the id of the request that is being answered.

Envoy gives each request its id; lines of logs have it, and calls onwards carry it. A call that answers several requests
at once carries the ids of them all, up to a limit.
"""

import re
from collections.abc import Iterable
from contextvars import ContextVar

HEADER = "x-request-id"
# More would fill headers and say no more.
MOST_IDS = 8

type Metadata = Iterable[tuple[str, str | bytes]]

# A log that machines read is no place for what anybody likes to send.
_IDS = re.compile(rf"[0-9A-Za-z-]{{1,64}}(,[0-9A-Za-z-]{{1,64}}){{0,{MOST_IDS - 1}}}")
_request_id: ContextVar[str] = ContextVar("request_id", default="")


def begin(metadata: Metadata | None) -> None:
    """Notes which request the call being handled in this context belongs to, by its metadata."""
    sent = next((value for name, value in metadata or () if name == HEADER), "")
    _request_id.set(sent if isinstance(sent, str) and _IDS.fullmatch(sent) else "")


def share(request_ids: Iterable[str]) -> None:
    """Notes that what is done in this context is done for several requests."""
    _request_id.set(",".join(list(dict.fromkeys(filter(None, request_ids)))[:MOST_IDS]))


def request_id() -> str:
    """The id of the request, with commas between several; nothing for work that nobody waits for."""
    return _request_id.get()


def onwards() -> tuple[tuple[str, str], ...]:
    """The metadata of a call that is made on behalf of the request."""
    known = _request_id.get()
    return ((HEADER, known),) if known else ()

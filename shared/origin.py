"""Where the work at hand comes from: the requests that it is done for, and the spans of their traces.

Envoy gives each request its id, and begins its trace if traces are on. Lines of logs have the id, and calls onwards
carry both. A call that answers several requests at once carries the ids of them all, up to a limit.
"""

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

REQUEST_ID = "x-request-id"
TRACEPARENT = "traceparent"  # of W3C's Trace Context
# More would fill headers and say no more.
MOST = 8

type Metadata = Iterable[tuple[str, str | bytes]]

# A log that machines read is no place for what anybody likes to send.
_IDS = re.compile(rf"[0-9A-Za-z-]{{1,64}}(,[0-9A-Za-z-]{{1,64}}){{0,{MOST - 1}}}")


@dataclass(frozen=True)
class Origin:
    """Requests and spans, each in the order in which they asked."""

    request_ids: tuple[str, ...] = ()
    traceparents: tuple[str, ...] = ()


NOWHERE = Origin()
_origin: ContextVar[Origin] = ContextVar("origin", default=NOWHERE)


def of(metadata: Metadata | None) -> Origin:
    """The origin of a call, by its metadata."""
    ids: tuple[str, ...] = ()
    traceparents: tuple[str, ...] = ()
    for name, value in metadata or ():
        if name == REQUEST_ID and isinstance(value, str) and _IDS.fullmatch(value):
            ids = tuple(value.split(","))
        elif name == TRACEPARENT and isinstance(value, str):
            traceparents = (value,)
    return Origin(ids, traceparents)


@contextmanager
def known(origin: Origin) -> Iterator[None]:
    """Meanwhile, this is where the work comes from."""
    token = _origin.set(origin)
    try:
        yield
    finally:
        _origin.reset(token)


def current() -> Origin:
    """Where the work comes from; nowhere, if nobody waits for it."""
    return _origin.get()


def shared(origins: Iterable[Origin]) -> Origin:
    """The origin of what is done for several at once."""
    told = list(origins)
    ids = dict.fromkeys(one for origin in told for one in origin.request_ids)
    traceparents = dict.fromkeys(one for origin in told for one in origin.traceparents)
    return Origin(tuple(ids)[:MOST], tuple(traceparents)[:MOST])


def request_id() -> str:
    """The id of the request, with commas between several."""
    return ",".join(_origin.get().request_ids)


def onwards() -> tuple[tuple[str, str], ...]:
    """The metadata of a call that is made meanwhile."""
    origin = _origin.get()
    metadata = [(REQUEST_ID, ",".join(origin.request_ids))] if origin.request_ids else []
    return (*metadata, *((TRACEPARENT, one) for one in origin.traceparents[:1]))

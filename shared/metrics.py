"""What is counted and timed, for Prometheus: by method and code, never by athlete, and nothing of anybody's health."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, start_http_server

# Seconds. Most calls take a few milliseconds, and none takes longer than its deadline.
BUCKETS = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0)

type Observe = Callable[[str, str, float], None]
"""Takes the method of a call, `/package.Service/Method`, the name of its status code, and its seconds."""

type ObserveHealth = Callable[[bool], None]
"""Takes whether health says that a part can serve."""


def observing_calls(registry: CollectorRegistry) -> Observe:
    """Counts and times the calls that a server answers."""
    ProcessCollector(registry=registry)
    calls = Counter("flux_rpc_calls", "Calls answered.", ["method", "code"], registry=registry)
    seconds = Histogram(
        "flux_rpc_seconds", "Time from request to answer.", ["method"], buckets=BUCKETS, registry=registry
    )
    errors = Counter("flux_unexpected_errors", "Calls that met an error nobody expected: a bug.", registry=registry)
    # Without labels these begin at 0, and so the first one counts as growth.
    worth_a_look = {
        "INTERNAL": errors,
        "UNKNOWN": errors,
        "RESOURCE_EXHAUSTED": Counter(
            "flux_shed_calls", "Calls refused because of too many others.", registry=registry
        ),
    }

    # To look these up costs more than to count.
    answered, timed = cache(calls.labels), cache(seconds.labels)

    def observe(method: str, code: str, spent: float) -> None:
        answered(method, code).inc()
        timed(method).observe(spent)
        if code in worth_a_look:
            worth_a_look[code].inc()

    return observe


def observing_health(registry: CollectorRegistry) -> ObserveHealth:
    """Shows what health says."""
    serving = Gauge("flux_serving", "1 while the part can serve, by its health; else 0.", registry=registry)
    return serving.set


@contextmanager
def served(address: str, registry: CollectorRegistry) -> Iterator[None]:
    """Serves metrics by HTTP on `host:port` meanwhile; an empty address is nowhere. Raises OSError in plain words."""
    if not address:
        yield
        return
    host, _, port = address.rpartition(":")
    try:
        server, thread = start_http_server(int(port), host.strip("[]"), registry)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror
        raise OSError(f"cannot serve metrics on {address}: {reason}") from None
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

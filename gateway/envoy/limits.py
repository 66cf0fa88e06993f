"""How large, how many and how slow requests may be: one figure for what Envoy enforces and for what it says of it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """What one client may take from everybody else."""

    body_bytes: int = 256 * 1024
    header_kib: int = 24  # all headers of a request together, its path too
    headers: int = 64
    headers_seconds: float = 5  # from a request's first byte to the end of its headers
    request_seconds: float = 30  # to the end of its body; the route of a call allows less
    stream_idle_seconds: float = 60  # without a byte in either direction
    connection_idle_seconds: float = 120  # without a request
    streams: int = 100  # at once, of one HTTP/2 connection
    calls: int = 128  # at once, of everybody; as many as a gateway takes, or several together
    admission_seconds: int = 2  # of these, the share of calls that the gateway refused counts
    admission_calls: int = 100  # per second that reach the gateway; it alone refuses while there are fewer
    connections: int = 4096  # at once, of everybody; who comes then finds the connection closed
    heap_bytes: int = 512 * 1024 * 1024  # of Envoy; near it, requests are turned away

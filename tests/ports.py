"""Ports for what tests start. None is given twice, for between a look at a port and its use lie seconds."""

import os
import socket
from contextlib import ExitStack, suppress

# The system hands these out to nobody by itself.
_FIRST, _END = 20_000, 32_000
# Processes that run tests beside each other have ids close together: they begin far from each other.
_APART = 601
_next = _FIRST + os.getpid() * _APART % (_END - _FIRST)


def free_port() -> int:
    """A port of this machine that is free."""
    return free_ports(1)


def free_ports(count: int) -> int:
    """The first of so many ports in a row that are free."""
    global _next  # noqa: PLW0603 - what was given by this process
    for _ in range((_END - _FIRST) // count):
        first = _next if _next + count <= _END else _FIRST
        _next = first + count
        with ExitStack() as taken, suppress(OSError):
            for port in range(first, first + count):
                taken.enter_context(socket.create_server(("127.0.0.1", port)))
            return first
    raise AssertionError("no port is free")
